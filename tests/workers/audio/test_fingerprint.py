"""Fingerprints of encodes of one recording are alike, those of other recordings are not."""

import hashlib
import io

import numpy as np
import pytest

from schemas.audio import MAX_BIT_ERROR_RATE
from schemas.settings import S3Settings
from tests.audio_files import RATE, ffmpeg, sndfile, tone
from tests.rendered_twins import encodes, others, sound
from workers.audio.fingerprint import (
    bit_error_rate,
    compute_fingerprint,
    fingerprint_content,
    is_current,
    subfingerprints,
)
from workers.audio.verdicts import Rejected
from workers.synthetic_music.demo.catalogue import kinds
from workers.synthetic_music.score.songs import Song

SECONDS, SHIFT = 10, 6.0
STYLES = {style.name: style for style in kinds() if style.name in ("techno", "string quartet", "cello")}


def fingerprint_of(data):
    return compute_fingerprint(io.BytesIO(data))


@pytest.mark.parametrize("name", STYLES)
def test_encodes_of_a_recording_are_nearer_than_other_recordings(name):
    song = Song.compose(STYLES[name], 1)
    samples = sound(song, SECONDS)
    original = fingerprint_of(sndfile(samples))
    same = {kind: bit_error_rate(original, fingerprint_of(data), SHIFT) for kind, data in encodes(samples)}
    apart = {
        kind: bit_error_rate(original, fingerprint_of(sndfile(other)), SHIFT)
        for kind, other in others(STYLES[name], song, SECONDS)
    }
    assert len(same) == 7
    assert len(apart) == 3
    assert max(same.values()) < MAX_BIT_ERROR_RATE < min(apart.values()), (same, apart)


def noise(seconds, seed=0):
    return 0.3 * np.random.default_rng(seed).standard_normal((1, int(seconds * RATE))).astype(np.float32)


def test_the_rate_is_the_share_of_differing_bits():
    left, right = fingerprint_of(sndfile(noise(6, 1))), fingerprint_of(sndfile(noise(6, 2)))
    pairs = zip(*(np.frombuffer(stored, "<u4", offset=4) for stored in (left, right)), strict=True)
    words = [bin(int(x) ^ int(y)).count("1") / 32 for x, y in pairs]
    assert bit_error_rate(left, right, 0) == pytest.approx(np.mean(words))
    assert 0.45 < np.mean(words) < 0.55


def test_a_shift_is_found_within_its_bounds():
    long = noise(12)
    left, right = fingerprint_of(sndfile(long)), fingerprint_of(sndfile(long[:, 2 * RATE :]))
    assert bit_error_rate(left, right, 3) < 0.1
    assert bit_error_rate(right, left, 3) == bit_error_rate(left, right, 3)
    assert bit_error_rate(left, right, 1) > MAX_BIT_ERROR_RATE


def test_silence_does_not_count():
    quiet = np.zeros((1, 8 * RATE), np.float32)
    left, right = (fingerprint_of(sndfile(np.concatenate([quiet, noise(5, seed)], axis=1))) for seed in (1, 2))
    assert bit_error_rate(left, right, 2) > MAX_BIT_ERROR_RATE
    with pytest.raises(Rejected, match="under three seconds"):
        fingerprint_of(sndfile(np.concatenate([quiet, noise(2)], axis=1)))
    assert len(subfingerprints(np.zeros(100, np.float32))) == 0


def test_cancelling_channels_are_fingerprinted_by_the_first():
    mono = noise(6)
    assert (
        bit_error_rate(fingerprint_of(sndfile(np.concatenate([mono, -mono]))), fingerprint_of(sndfile(mono)), 0) < 0.1
    )


def test_only_the_first_ten_minutes_are_kept():
    stored = fingerprint_of(sndfile(noise(605)[:, : 605 * 8000], rate=8000))  # 604 s and more at 8 kHz
    assert is_current(stored)
    assert not is_current(stored[1:])
    assert len(stored) < 600 * 5512 / 128 * 4 + 8


def test_the_reason_for_no_fingerprint(tmp_path):
    (tmp_path / "a.mp3").write_bytes(ffmpeg(tone(6), "mp3"))
    (tmp_path / "b.mp3").write_bytes(b"no sound")
    sha = "0" * 64
    gone = fingerprint_content(S3Settings(), (sha, [str(tmp_path / "gone.mp3")]))
    assert (gone.content_sha256, gone.fingerprint) == (sha, None)
    assert gone.reason.startswith("unreadable: ")
    assert "another file" in fingerprint_content(S3Settings(), (sha, [str(tmp_path / "a.mp3")])).reason
    broken = tmp_path / "b.mp3"
    name = hashlib.sha256(broken.read_bytes()).hexdigest()
    assert fingerprint_content(S3Settings(), (name, [str(broken)])).reason.startswith("unrecognised: ")
    good = hashlib.sha256((tmp_path / "a.mp3").read_bytes()).hexdigest()
    assert fingerprint_content(S3Settings(), (good, [str(tmp_path / "gone.mp3"), str(tmp_path / "a.mp3")])).fingerprint
