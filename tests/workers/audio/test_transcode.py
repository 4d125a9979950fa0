"""MP3 of a constant bit rate: the length is known before, and any part can be made alone."""

import io
from contextlib import suppress
from itertools import pairwise

import av
import pytest

from tests.audio_files import BROKEN, DAMAGED, SOUND
from workers.audio.transcode import FRAME_BYTES, FRAME_SECONDS, count_bytes, transcode


def mp3(data: bytes, start: int = 0, stop: int = count_bytes(10.0)) -> bytes:
    return b"".join(transcode(io.BytesIO(data), start, stop))


@pytest.mark.parametrize("name", SOUND)
def test_every_sound_file_has_its_length(name):
    whole = mp3(SOUND[name]())
    assert len(whole) == count_bytes(10.0) == 418 * FRAME_BYTES
    starts = range(0, len(whole), FRAME_BYTES)
    assert {whole[start : start + 2] for start in starts} == {b"\xff\xfb"}  # a frame begins at each of them
    with av.open(io.BytesIO(whole)) as container:
        assert sum(frame.samples for frame in container.decode(audio=0)) == pytest.approx(480_000, abs=3 * 1152)


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_files_are_played_as_far_as_they_go(name):
    assert len(mp3(DAMAGED[name][0]())) == count_bytes(10.0)


@pytest.mark.parametrize("name", BROKEN)
def test_broken_files_end_with_an_error_or_silence(name):
    with suppress(av.error.FFmpegError, IndexError):
        assert len(mp3(BROKEN[name][0]())) in (0, count_bytes(10.0))


def test_parts_join_to_the_whole():
    data, edges = SOUND["good.aiff"](), [0, 1, 480, 50_001, 100_000, count_bytes(10.0)]
    parts = [mp3(data, start, stop) for start, stop in pairwise(edges)]
    assert [len(part) for part in parts] == [stop - start for start, stop in pairwise(edges)]


def test_a_frame_is_24_ms_of_160_kb_a_second():
    assert pytest.approx(0.024) == FRAME_SECONDS
    assert pytest.approx(160_000) == FRAME_BYTES / FRAME_SECONDS * 8
