"""Tags of files, and of files that have none or broken ones."""

import io

import mutagen
import pytest

from tests.audio_files import SECONDS, ffmpeg, sndfile, with_art
from workers.audio.metadata import FileTags, file_tags

MAKE = {
    "mp3": lambda: ffmpeg(SECONDS, "mp3"),
    "m4a": lambda: ffmpeg(SECONDS, "m4a"),
    "flac": lambda: sndfile(SECONDS, "FLAC"),
    "ogg": lambda: sndfile(SECONDS, "OGG"),
}


@pytest.mark.parametrize("suffix", MAKE)
def test_tags_are_read(suffix, tmp_path):
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(MAKE[suffix]())
    tags = mutagen.File(path, easy=True)
    tags["title"], tags["artist"], tags["album"] = "Title", "Artist", "Album"
    tags["genre"], tags["date"] = ["Jazz", "Blues"], "1959-08-17"
    tags.save()
    with path.open("rb") as file:
        assert file_tags(file) == FileTags("Title", "Artist", "Album", ("Jazz", "Blues"), 1959)
        assert file.tell() == 0


@pytest.mark.parametrize("data", [b"", b"\0" * 1000, b"ID3\x04\0\0\x7f\x7f\x7f\x7fTIT2", with_art(b"", 10)])
def test_rubbish_has_no_tags(data):
    assert file_tags(io.BytesIO(data)) == FileTags()
