"""Windows are cut as the spec says and equal those of the whole file, by seeking and by streaming."""

import io

import numpy as np
import pytest
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.audio import WindowSpec
from tests import memory
from tests.audio_files import SECONDS, SOUND, cut_short, ffmpeg, garbled, sndfile, tone
from workers.audio.verdicts import Rejected
from workers.audio.windows import cut_windows, read_windows

SPEC = WindowSpec(16_000, 48_128, 47_872)


def windows(data, spec=SPEC, accept=()):
    return list(read_windows(io.BytesIO(data), spec, frozenset(accept)))


def cosine(left, right):
    left, right = left.astype(np.float64), right.astype(np.float64)
    return left @ right / np.linalg.norm(left) / np.linalg.norm(right)


@settings(deadline=None)  # a busy machine
@given(st.integers(1, 3000), st.integers(1, 200), st.integers(1, 200), st.integers(1, 500))
def test_cutting_follows_the_rule(samples, window, hop, piece):
    spec = WindowSpec(100, window, min(hop, window))
    audio = np.arange(1, samples + 1, dtype=np.float32)
    pieces = (audio[start : start + piece] for start in range(0, samples, piece))
    cut = list(cut_windows(pieces, spec))
    assert len(cut) == spec.count_windows(samples)
    for index, part in enumerate(cut):
        expected = audio[index * spec.hop : index * spec.hop + window]
        np.testing.assert_array_equal(part, np.resize(expected, window))
    full = [part for index, part in enumerate(cut) if index * spec.hop + window <= samples]
    assert len(cut) - len(full) <= 1


@given(st.integers(1, 10_000), st.integers(1, 20))
def test_chosen_windows_are_spread_and_distinct(samples, limit):
    spec = WindowSpec(100, 100, 90, limit=limit)
    indices, total = spec.select_indices(samples), spec.count_windows(samples)
    assert len(set(indices)) == len(indices) == min(limit, total)
    assert indices == sorted(indices)
    assert indices[0] == 0
    assert limit == 1 or indices[-1] == total - 1


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 48_000, 96_000])
def test_streamed_resampling_is_the_whole_files(rate):
    samples = tone(7, rate)
    whole = soxr.resample(samples.mean(axis=0), rate, SPEC.sample_rate, quality="HQ")
    for index, window in enumerate(windows(sndfile(samples, "WAV", "FLOAT", rate))):
        expected = np.resize(whole[index * SPEC.hop : index * SPEC.hop + SPEC.window], SPEC.window)
        np.testing.assert_allclose(window[:40_000], expected[:40_000], atol=1e-5)


@pytest.mark.parametrize("make", ["WAV", "FLAC", "OGG", "mp3", "m4a", "opus"])
@pytest.mark.parametrize("limit", [1, 2, 5])
def test_a_limit_takes_the_same_windows(make, limit):
    samples = tone(25)
    data = sndfile(samples, make) if make.isupper() else ffmpeg(samples, make)
    all_windows = windows(data)
    spec = WindowSpec(SPEC.sample_rate, SPEC.window, SPEC.hop, limit)
    reader = read_windows(io.BytesIO(data), spec)
    selected = list(reader)
    indices = spec.select_indices(round(reader.facts.duration_s * SPEC.sample_rate))
    assert len(selected) == limit
    assert reader.facts.duration_s == pytest.approx(25, abs=0.05)
    for index, window in zip(indices, selected, strict=True):
        assert 1 - cosine(all_windows[index], window) <= 1e-6


@pytest.mark.parametrize("name", SOUND)
def test_a_limit_works_for_every_kind_of_file(name):
    reader = read_windows(io.BytesIO(SOUND[name]()), WindowSpec(16_000, 16_000, 16_000, 4))
    assert len(list(reader)) == 4
    assert reader.facts.duration_s == pytest.approx(10, abs=0.05)
    assert reader.facts.verdicts == ()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (cut_short(sndfile(tone(25))), "truncated"),
        (cut_short(sndfile(tone(25), "OGG")), "truncated"),
        (cut_short(sndfile(tone(25), "FLAC")), "truncated"),
        (garbled(sndfile(tone(25), "FLAC")), "flac_strict"),
    ],
)
def test_a_limit_does_not_hide_damage(data, reason):
    with pytest.raises(Rejected) as caught:
        windows(data, WindowSpec(SPEC.sample_rate, SPEC.window, SPEC.hop, 5))
    assert caught.value.reason == reason


def test_audio_at_the_right_rate_is_not_resampled():
    data = sndfile(SECONDS, "WAV", "FLOAT")
    cut = windows(data, WindowSpec(44_100, 44_100, 44_100))
    np.testing.assert_allclose(np.concatenate(cut), SECONDS.mean(axis=0), atol=1e-6)


LONG = """
import sys
from workers.audio.fetch import fetch
from workers.audio.windows import read_windows
import workers.description.describer  # imported with the first file otherwise, and not to be measured
from schemas.audio import WindowSpec
from schemas.settings import S3Settings
start = peak()
with fetch(sys.argv[1], S3Settings()) as fetched:
    count = sum(1 for _ in read_windows(fetched.file, WindowSpec(16_000, 48_128, 47_872)))
print(count, peak() - start)
"""


def test_memory_does_not_grow_with_length(tmp_path):
    path = tmp_path / "long.wav"
    path.write_bytes(sndfile(np.tile(tone(60), 20)))  # 20 min: 202 MB of samples, 77 MB of mono float32 at 16 kHz
    count, megabytes = memory.run_and_measure(LONG, str(path))
    assert count == SPEC.count_windows(1200 * 16_000)
    assert megabytes < 40
