"""Tags of many kinds, in files that FFmpeg and libsndfile tagged and in tags written byte by byte."""

import io
import re
import struct
import zlib

import av
import pytest
import soundfile

from tests.audio_files import SECONDS, encode_frames, ffmpeg, sndfile, with_art, with_chunk
from tests.workers.audio.id3_tags import frame, id3_tag, latin_1, synchsafe, unsynchronise, utf_16, version_1_tag
from workers.audio.id3 import resolve_genres
from workers.audio.metadata import FileTags, read_tags

ALL = FileTags("Title", "Artist", "Album", ("Jazz",), 1959)
ALL_TAGS = {"title": "Title", "artist": "Artist", "album": "Album", "genre": "Jazz", "date": "1959-08-17"}
TITLE_ONLY = FileTags(title="Title")
CONTAINERS = {
    "mp3": ("mp3", "libmp3lame"),
    "m4a": ("mp4", "aac"),
    "alac.m4a": ("mp4", "alac"),
    "mov": ("mov", "aac"),
    "flac": ("flac", "flac"),
    "oga": ("ogg", "flac"),
    "opus": ("ogg", "libopus"),
    "wma": ("asf", "wmav2"),
    "wv": ("wv", "wavpack"),
    "wav": ("wav", "pcm_s16le"),
    "mka": ("matroska", "flac"),
    "caf": ("caf", "alac"),
    "tta": ("tta", "tta"),
}


@pytest.fixture(scope="module")
def mp3() -> bytes:
    """An mp3 without any tag."""
    return ffmpeg(SECONDS, "mp3", id3v2_version="0")


def tagged(container_format: str, codec: str, tags: dict[str, str], path) -> bytes:
    """Audio that FFmpeg encodes and tags."""
    rate = 48_000 if codec == "libopus" else 44_100
    with av.open(str(path), "w", format=container_format) as container:
        container.metadata.update(tags)
        stream = container.add_stream(codec, rate=rate, layout="stereo")
        stream.bit_rate = 128_000
        for audio_frame in encode_frames(SECONDS, 44_100, stream):
            container.mux(stream.encode(audio_frame))
        container.mux(stream.encode(None))
    return path.read_bytes()


def read(data: bytes) -> FileTags:
    file = io.BytesIO(data)
    tags = read_tags(file)
    assert file.tell() == 0
    return tags


@pytest.mark.parametrize("suffix", CONTAINERS)
def test_tags_are_read_in_every_container(suffix, tmp_path):
    assert read(tagged(*CONTAINERS[suffix], ALL_TAGS, tmp_path / f"a.{suffix}")) == ALL


def test_tags_are_read_in_ogg_vorbis():
    """The album's name is replaced: it has the length of "genre", which libsndfile writes only once."""
    file = io.BytesIO()
    with soundfile.SoundFile(file, "w", 44_100, 2, format="OGG") as sound:
        sound.title, sound.artist, sound.genre, sound.album, sound.date = "Title", "Artist", "Jazz", "Blues", "1959-08"
        sound.write(SECONDS[:, :44_100].T)
    data = file.getvalue()
    assert read(data) == FileTags("Title", "Artist", "Blues", ("Jazz",), 1959)
    data = re.sub(b"album=Blues", b"genre=Blues", data, flags=re.IGNORECASE)
    assert set(read(data).genres) == {"Jazz", "Blues"}


def with_vorbis_comments(flac: bytes, *comments: str) -> bytes:
    """A FLAC file with a block of comments after its first block."""
    texts = [comment.encode() for comment in comments]
    body = struct.pack("<I", 0) + struct.pack("<I", len(texts))
    body += b"".join(struct.pack("<I", len(text)) + text for text in texts)
    first_block_end = 8 + int.from_bytes(flac[5:8], "big")
    first = flac[:4] + bytes([flac[4] & 0x7F]) + flac[5:first_block_end]
    is_last = flac[4] & 0x80
    return first + bytes([is_last | 4]) + len(body).to_bytes(3, "big") + body + flac[first_block_end:]


@pytest.mark.parametrize(
    ("comments", "expected"),
    [
        (["TITLE=Title", "GENRE=Jazz", "GENRE=Blues"], FileTags("Title", genres=("Jazz", "Blues"))),
        (["DATE=1959-08-17", "ALBUM=Album"], FileTags(album="Album", year=1959)),
        (["title=Title", "Artist=First", "ARTIST=Second"], FileTags("Title", "First")),
        (["ARTISTS=A", "ARTISTS=B", "ARTIST=A & B"], FileTags(artist="A & B")),
        (["YEAR=1959"], FileTags(year=1959)),
        (["YEAR=1960", "DATE=1959"], FileTags(year=1959)),
        (["GENRE=Jazz; Blues", "TITLE=  Title ", "GENRE= "], FileTags("Title", genres=("Jazz; Blues",))),
        (["GENRE=Jazz", "GENRE=Jazz"], FileTags(genres=("Jazz",))),
        (["DATE=17.08.1959"], FileTags()),
    ],
)
def test_vorbis_comments(comments, expected):
    assert read(with_vorbis_comments(sndfile(SECONDS, "FLAC"), *comments)) == expected


@pytest.mark.parametrize(("container_format", "codec"), [("ogg", "flac"), ("ogg", "libopus")])
def test_several_genres_in_ogg(container_format, codec, tmp_path):
    data = tagged(container_format, codec, {"genre": "Jazz", "g2nre": "Blues"}, tmp_path / "a.ogg")
    assert data.count(b"g2nre=Blues") == 1
    assert read(data.replace(b"g2nre=Blues", b"genre=Blues")).genres == ("Jazz", "Blues")


def test_several_genres_in_mp4(tmp_path):
    """A second value is a second `data` atom; all atoms around it grow. `moov` comes last, so no offset changes."""
    data = bytearray(tagged("mp4", "aac", {"genre": "Jazz"}, tmp_path / "a.m4a"))
    value = struct.pack(">I4sII", 16 + 5, b"data", 1, 0) + b"Blues"
    start = data.index(b"\xa9gen") - 4
    end = start + int.from_bytes(data[start : start + 4], "big")
    for atom in (b"moov", b"udta", b"meta", b"ilst", b"\xa9gen"):
        size_at = data.rindex(atom, 0, start + 8) - 4
        data[size_at : size_at + 4] = (int.from_bytes(data[size_at : size_at + 4], "big") + len(value)).to_bytes(
            4, "big"
        )
    data[end:end] = value
    assert read(bytes(data)).genres == ("Jazz", "Blues")


@pytest.mark.parametrize("version", [2, 3, 4])
@pytest.mark.parametrize("encode", [latin_1, utf_16], ids=["latin-1", "utf-16"])
def test_id3_version_2(mp3, version, encode):
    date = "TYER" if version < 4 else "TDRC"
    values = {"TIT2": "Tïtle", "TPE1": "Artist", "TALB": "Album", "TCON": "Jazz\0Blues", date: "1959"}
    frames = [frame(version, name, encode(text)) for name, text in values.items()]
    expected = FileTags("Tïtle", "Artist", "Album", ("Jazz", "Blues"), 1959)
    assert read(id3_tag(version, *frames) + mp3) == expected


@pytest.mark.parametrize(
    "content",
    [
        b"\x02" + "Tïtle".encode("utf-16-be"),
        b"\x03" + "Tïtle".encode(),
        b"\x01" + "Tïtle".encode("utf-16-le"),
        b"\x01\xfe\xff" + "Tïtle".encode("utf-16-be"),
        b"\x00" + "Tïtle\0\0".encode("latin-1"),
    ],
    ids=["utf-16-be", "utf-8", "utf-16 without a mark", "utf-16 with the other mark", "zeros at the end"],
)
def test_id3_encodings(mp3, content):
    assert read(id3_tag(4, frame(4, "TIT2", content)) + mp3).title == "Tïtle"


def test_id3_unsynchronisation(mp3):
    texts = {"TIT2": "Tïtle", "TPE1": "Artist"}
    whole_tag = unsynchronise(b"".join(frame(3, name, utf_16(text)) for name, text in texts.items()))
    assert read(id3_tag(3, whole_tag, flags=0x80) + mp3) == FileTags("Tïtle", "Artist")
    each_frame = [
        frame(4, name, synchsafe(len(utf_16(text))) + unsynchronise(utf_16(text)), flags=0x03)
        for name, text in texts.items()
    ]
    assert read(id3_tag(4, *each_frame, flags=0x80) + mp3) == FileTags("Tïtle", "Artist")


def test_id3_compressed_grouped_and_encrypted_frames(mp3):
    content = latin_1("Title")
    size, compressed = struct.pack(">I", len(content)), zlib.compress(content)
    for tag in (
        id3_tag(3, frame(3, "TIT2", size + compressed, flags=0x80)),
        id3_tag(3, frame(3, "TIT2", b"\1" + content, flags=0x20)),
        id3_tag(3, frame(3, "TPE1", b"secret", flags=0x40), frame(3, "TIT2", content)),
        id3_tag(3, frame(3, "TPE1", size + b"no zlib", flags=0x80), frame(3, "TIT2", content)),
        id3_tag(4, frame(4, "TIT2", synchsafe(len(content)) + compressed, flags=0x09)),
        id3_tag(4, frame(4, "TIT2", synchsafe(len(content)) + content, flags=0x01)),
        id3_tag(4, frame(4, "TIT2", b"\1" + content, flags=0x40)),
    ):
        assert read(tag + mp3) == TITLE_ONLY


def test_id3_headers_and_odd_frames(mp3):
    title = frame(3, "TIT2", latin_1("Title"))
    for tag in (
        id3_tag(3, struct.pack(">IHI", 6, 0, 0), title, flags=0x40),
        id3_tag(4, synchsafe(6) + b"\1\0", frame(4, "TIT2", latin_1("Title")), flags=0x40),
        id3_tag(3, title, bytes(500)),
        id3_tag(3, title, b"\xff\xee"),
        id3_tag(3, frame(3, "TPE1", b""), title),
        id3_tag(3, frame(3, "TPE1", b"\x09Artist"), title),
        id3_tag(3, title, frame(3, "TIT2", latin_1("Another"))),
    ):
        assert read(tag + mp3) == TITLE_ONLY


def test_plain_sizes_in_version_4_as_itunes_wrote_them(mp3):
    """They differ from synchsafe ones from 128 bytes on."""
    tag = id3_tag(4, frame(3, "TIT2", latin_1("x" * 200)), frame(3, "TPE1", latin_1("Artist")))
    assert read(tag + mp3) == FileTags("x" * 200, "Artist")
    tag = id3_tag(4, frame(4, "TIT2", latin_1("x" * 200)), frame(4, "TPE1", latin_1("Artist")))
    assert read(tag + mp3) == FileTags("x" * 200, "Artist")


def test_dates_of_id3(mp3):
    for version, name in ((3, "TYER"), (4, "TDRC"), (4, "TYER"), (3, "TDRC")):
        assert read(id3_tag(version, frame(version, name, latin_1("1959-08"))) + mp3).year == 1959


@pytest.mark.parametrize(
    ("text", "genres"),
    [
        ("(17)", ["Rock"]),
        ("17", ["Rock"]),
        ("0", ["Blues"]),
        ("(17)Rock", ["Rock"]),
        ("(4)Eurodisco", ["Disco", "Eurodisco"]),
        ("(17)(6)", ["Rock", "Grunge"]),
        ("(RX)", ["Remix"]),
        ("(CR)", ["Cover"]),
        ("((Foo)", ["(Foo)"]),
        ("(191)", ["Psybient"]),
        ("(255)", []),
        ("90s", ["90s"]),
        ("2 Step", ["2 Step"]),
        ("Jazz/Funk", ["Jazz/Funk"]),
    ],
)
def test_genres_by_number(text, genres):
    assert resolve_genres(text) == genres


def test_id3_version_1(mp3):
    everything = version_1_tag("Title", "Artist", "Album", "1959", 8)
    assert read(mp3 + everything) == ALL
    assert read(mp3 + version_1_tag("Title".ljust(30), "", "", "", 255)) == TITLE_ONLY
    assert read(mp3 + version_1_tag("Tïtle".encode("latin-1"), "", "", "", 255)).title == "Tïtle"
    assert read(mp3 + version_1_tag("Tïtle".encode(), "", "", "", 255)).title == "Tïtle"
    longer = id3_tag(3, frame(3, "TIT2", latin_1("A title of more than thirty characters")))
    assert read(longer + mp3 + everything).title == "A title of more than thirty characters"
    assert read(longer + mp3 + everything).artist == "Artist"


def test_tags_in_chunks_of_wav():
    info = b"INFO" + b"".join(
        name + struct.pack("<I", len(text)) + text
        for name, text in {b"INAM": b"Title\0", b"IART": b"Artist\0\0", b"ICRD": b"1959\0\0"}.items()
    )
    assert read(with_chunk(sndfile(SECONDS), b"LIST", info)) == FileTags("Title", "Artist", year=1959)
    id3 = id3_tag(4, frame(4, "TIT2", latin_1("Title")), frame(4, "TCON", latin_1("Jazz\0Blues")))
    assert read(with_chunk(sndfile(SECONDS), b"id3 ", id3)) == FileTags("Title", genres=("Jazz", "Blues"))


@pytest.mark.parametrize("data", [b"", b"\0" * 1000, b"ID3\x04\0\0\x7f\x7f\x7f\x7fTIT2", with_art(b"", 10)])
def test_rubbish_has_no_tags(data):
    assert read(data) == FileTags()


def test_damaged_files_raise_nothing(mp3, tmp_path):
    whole = id3_tag(4, *(frame(4, name, utf_16("Text")) for name in ("TIT2", "TPE1", "TCON", "TDRC"))) + mp3
    flac = with_vorbis_comments(sndfile(SECONDS, "FLAC"), "TITLE=Title", "GENRE=Jazz")
    m4a = tagged("mp4", "aac", ALL_TAGS, tmp_path / "a.m4a")
    for data in (whole, flac, m4a):
        for length in range(0, 400, 7):
            read(data[:length])
        for position in range(0, 200, 3):
            read(data[:position] + b"\xff" + data[position + 1 :])
