"""Fingerprints of real encodes are alike, those of whatever else are not."""

import hashlib
import io

import numpy as np
import pytest

from schemas.audio import MOST_BIT_ERRORS
from schemas.settings import S3Settings
from tests.audio_files import RATE, ffmpeg, sndfile, tone
from tests.rendered_twins import encodes, others, sound
from workers.audio.fingerprint import bit_error_rate, fingerprint, is_current, subfingerprints, take
from workers.audio.verdicts import Rejected
from workers.synthetic_music.demo.catalogue import kinds
from workers.synthetic_music.score.songs import Song

SECONDS, SHIFT = 10, 6.0
STYLES = {style.name: style for style in kinds() if style.name in ("techno", "string quartet", "cello")}


def of(data):
    return fingerprint(io.BytesIO(data))


@pytest.mark.parametrize("name", STYLES)
def test_encodes_of_a_recording_are_nearer_than_other_recordings(name):
    song = Song.of(STYLES[name], 1)
    own = of(sndfile(heard := sound(song, SECONDS)))
    same = {kind: bit_error_rate(own, of(data), SHIFT) for kind, data in encodes(heard)}
    apart = {
        kind: bit_error_rate(own, of(sndfile(other)), SHIFT) for kind, other in others(STYLES[name], song, SECONDS)
    }
    assert len(same) == 7
    assert len(apart) == 3
    assert max(same.values()) < MOST_BIT_ERRORS < min(apart.values()), (same, apart)


def noise(seconds, seed=0):
    return 0.3 * np.random.default_rng(seed).standard_normal((1, int(seconds * RATE))).astype(np.float32)


def test_the_rate_is_that_of_counting_bit_by_bit():
    one, other = of(sndfile(noise(6, 1))), of(sndfile(noise(6, 2)))
    a, b = (np.frombuffer(kept, "<u4", offset=4) for kept in (one, other))
    words = [bin(int(x) ^ int(y)).count("1") / 32 for x, y in zip(a, b, strict=True)]
    assert bit_error_rate(one, other, 0) == pytest.approx(np.mean(words))
    assert 0.45 < np.mean(words) < 0.55


def test_a_shift_is_found_within_its_bounds():
    long = noise(12)
    one, other = of(sndfile(long)), of(sndfile(long[:, 2 * RATE :]))
    assert bit_error_rate(one, other, 3) < 0.1
    assert bit_error_rate(other, one, 3) == bit_error_rate(one, other, 3)
    assert bit_error_rate(one, other, 1) > MOST_BIT_ERRORS


def test_silence_says_nothing():
    quiet = np.zeros((1, 8 * RATE), np.float32)
    one, other = (of(sndfile(np.concatenate([quiet, noise(5, seed)], axis=1))) for seed in (1, 2))
    assert bit_error_rate(one, other, 2) > MOST_BIT_ERRORS
    with pytest.raises(Rejected, match="under three seconds"):
        of(sndfile(np.concatenate([quiet, noise(2)], axis=1)))
    assert len(subfingerprints(np.zeros(100, np.float32))) == 0


def test_channels_that_cancel_each_other_are_heard_one_by_one():
    mono = noise(6)
    assert bit_error_rate(of(sndfile(np.concatenate([mono, -mono]))), of(sndfile(mono)), 0) < 0.1


def test_only_the_first_ten_minutes_are_kept():
    kept = of(sndfile(noise(605)[:, : 605 * 8000], rate=8000))  # 604 s and more at 8 kHz
    assert is_current(kept)
    assert not is_current(kept[1:])
    assert len(kept) < 600 * 5512 / 128 * 4 + 8


def test_why_there_is_none_is_told(tmp_path):
    (tmp_path / "a.mp3").write_bytes(ffmpeg(tone(6), "mp3"))
    (tmp_path / "b.mp3").write_bytes(b"no sound")
    sha = "0" * 64
    gone = take(S3Settings(), (sha, [str(tmp_path / "gone.mp3")]))
    assert (gone.content_sha256, gone.fingerprint) == (sha, None)
    assert gone.reason.startswith("unreadable: ")
    assert "another file" in take(S3Settings(), (sha, [str(tmp_path / "a.mp3")])).reason
    broken = tmp_path / "b.mp3"
    name = hashlib.sha256(broken.read_bytes()).hexdigest()
    assert take(S3Settings(), (name, [str(broken)])).reason.startswith("unrecognised: ")
    good = hashlib.sha256((tmp_path / "a.mp3").read_bytes()).hexdigest()
    assert take(S3Settings(), (good, [str(tmp_path / "gone.mp3"), str(tmp_path / "a.mp3")])).fingerprint
