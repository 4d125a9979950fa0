"""ID3 tags: text frames of versions 2.2 to 2.4, fields of version 1.

Specifications: id3.org, documents id3v2-00, id3v2.3.0, id3v2.4.0-structure and id3v2.4.0-frames.
"""

import re
import zlib
from collections.abc import Iterator
from typing import BinaryIO

# The frames that are read, by their names in version 2.2 and in later versions.
_FRAMES = {"TT2": "TIT2", "TP1": "TPE1", "TAL": "TALB", "TCO": "TCON", "TYE": "TYER"}
_NAMES = {*_FRAMES.values(), "TDRC"}
_ENCODINGS = {0: "latin-1", 1: "utf-16", 2: "utf-16-be", 3: "utf-8"}
_MAX_TEXT_BYTES = 1 << 20  # a compressed frame may claim any size
_VERSION_1_BYTES = 128

# Genres by their numbers 0 to 191: those of ID3v1 and the extensions of Winamp.
_GENRES = (
    "Blues|Classic Rock|Country|Dance|Disco|Funk|Grunge|Hip-Hop|Jazz|Metal|New Age|Oldies|Other|Pop|R&B|Rap|Reggae|"
    "Rock|Techno|Industrial|Alternative|Ska|Death Metal|Pranks|Soundtrack|Euro-Techno|Ambient|Trip-Hop|Vocal|"
    "Jazz+Funk|Fusion|Trance|Classical|Instrumental|Acid|House|Game|Sound Clip|Gospel|Noise|Alt. Rock|Bass|Soul|Punk|"
    "Space|Meditative|Instrumental Pop|Instrumental Rock|Ethnic|Gothic|Darkwave|Techno-Industrial|Electronic|"
    "Pop-Folk|Eurodance|Dream|Southern Rock|Comedy|Cult|Gangsta Rap|Top 40|Christian Rap|Pop/Funk|Jungle|"
    "Native American|Cabaret|New Wave|Psychedelic|Rave|Showtunes|Trailer|Lo-Fi|Tribal|Acid Punk|Acid Jazz|Polka|"
    "Retro|Musical|Rock & Roll|Hard Rock|Folk|Folk-Rock|National Folk|Swing|Fast-Fusion|Bebop|Latin|Revival|Celtic|"
    "Bluegrass|Avantgarde|Gothic Rock|Progressive Rock|Psychedelic Rock|Symphonic Rock|Slow Rock|Big Band|Chorus|"
    "Easy Listening|Acoustic|Humour|Speech|Chanson|Opera|Chamber Music|Sonata|Symphony|Booty Bass|Primus|Porn Groove|"
    "Satire|Slow Jam|Club|Tango|Samba|Folklore|Ballad|Power Ballad|Rhythmic Soul|Freestyle|Duet|Punk Rock|Drum Solo|"
    "A Cappella|Euro-House|Dance Hall|Goa|Drum & Bass|Club-House|Hardcore|Terror|Indie|BritPop|Afro-Punk|Polsk Punk|"
    "Beat|Christian Gangsta Rap|Heavy Metal|Black Metal|Crossover|Contemporary Christian|Christian Rock|Merengue|"
    "Salsa|Thrash Metal|Anime|JPop|Synthpop|Abstract|Art Rock|Baroque|Bhangra|Big Beat|Breakbeat|Chillout|Downtempo|"
    "Dub|EBM|Eclectic|Electro|Electroclash|Emo|Experimental|Garage|Global|IDM|Illbient|Industro-Goth|Jam Band|"
    "Krautrock|Leftfield|Lounge|Math Rock|New Romantic|Nu-Breakz|Post-Punk|Post-Rock|Psytrance|Shoegaze|Space Rock|"
    "Trop Rock|World Music|Neoclassical|Audiobook|Audio Theatre|Neue Deutsche Welle|Podcast|Indie Rock|G-Funk|Dubstep|"
    "Garage Rock|Psybient"
).split("|")


def read_id3(file: BinaryIO) -> dict[str, list[str]]:
    """Return the values of TIT2, TPE1, TALB, TCON, TYER and TDRC.

    A missing value has no key. Values of version 1 fill in what version 2 lacks. TCON holds genre names: numbers are
    resolved.
    """
    values: dict[str, list[str]] = {}
    for name, content in _version_2_frames(file):
        values.setdefault(name, []).extend(_decode_text(content))
    values["TCON"] = [genre for text in values.get("TCON", []) for genre in resolve_genres(text)]
    for name, value in _version_1_values(file).items():
        values[name] = values.get(name) or [value]
    return {name: texts for name, texts in values.items() if texts}


def resolve_genres(text: str) -> list[str]:
    """Return the genres of a TCON value: "17", "(17)", "(4)Eurodisco", "(RX)" or plain words.

    Numbers without a name, such as 255, are left out.
    """
    if text.isdecimal():
        return _genre_of_reference(text)
    genres: list[str] = []
    while reference := re.match(r"\((\d{1,3}|RX|CR)\)", text):
        genres += _genre_of_reference(reference[1])
        text = text[reference.end() :].strip()
    text = text.removeprefix("(") if text.startswith("((") else text  # "((" stands for a bracket of the words
    return [*genres, text] if text and text not in genres else genres


def _genre_of_reference(reference: str) -> list[str]:
    if reference in ("RX", "CR"):
        return ["Remix" if reference == "RX" else "Cover"]
    return [_GENRES[int(reference)]] if int(reference) < len(_GENRES) else []


def _version_1_values(file: BinaryIO) -> dict[str, str]:
    size = file.seek(0, 2)
    file.seek(max(0, size - _VERSION_1_BYTES))
    tag = file.read()
    if len(tag) < _VERSION_1_BYTES or not tag.startswith(b"TAG"):
        return {}
    fields = {"TIT2": tag[3:33], "TPE1": tag[33:63], "TALB": tag[63:93], "TYER": tag[93:97]}
    values = {name: _decode_version_1(field) for name, field in fields.items()}
    values["TCON"] = _GENRES[tag[127]] if tag[127] < len(_GENRES) else ""
    return {name: value for name, value in values.items() if value}


def _decode_version_1(field: bytes) -> str:
    text = field.split(b"\0")[0].strip()
    try:
        return text.decode()  # not allowed by the specification, but written by some programs
    except UnicodeDecodeError:
        return text.decode("latin-1")


def _version_2_frames(file: BinaryIO) -> Iterator[tuple[str, bytes]]:
    """Yield name and content (encoding byte and text) of the frames that are read."""
    file.seek(0)
    header = file.read(10)
    if len(header) < 10 or not header.startswith(b"ID3") or header[3] not in (2, 3, 4):
        return
    version, flags = header[3], header[5]
    body = file.read(_synchsafe(header[6:10]))
    if flags & 0x80 and version < 4:  # version 4 states unsynchronisation once more in each frame
        body = _undo_unsynchronisation(body)
    if flags & 0x40 and version == 3:
        body = body[4 + int.from_bytes(body[:4], "big") :]
    elif flags & 0x40 and version == 4:
        body = body[_synchsafe(body[:4]) :]
    for name, frame_flags, content in _split_frames(body, version):
        name = _FRAMES.get(name, name)
        if name in _NAMES:
            try:
                yield name, _plain_content(content, frame_flags, version)
            except zlib.error:
                continue


def _split_frames(body: bytes, version: int) -> Iterator[tuple[str, int, bytes]]:
    """Yield name, format flags and stored content of every frame.

    Ends at the padding or at the first damage.
    """
    header_bytes = 6 if version == 2 else 10
    position = 0
    while _is_frame_name(name := body[position : position + (3 if version == 2 else 4)]):
        start = position + header_bytes
        if version == 2:
            size = int.from_bytes(body[position + 3 : start], "big")
        else:
            size = _frame_size(body, position, version)
        frame_flags = body[start - 1] if version > 2 and start <= len(body) else 0
        yield name.decode("ascii"), frame_flags, body[start : start + size]
        position = start + size


def _frame_size(body: bytes, position: int, version: int) -> int:
    """Return a frame's size. iTunes wrote plain sizes into version 2.4, which prescribes synchsafe ones."""
    stored = body[position + 4 : position + 8]
    plain, synchsafe = int.from_bytes(stored, "big"), _synchsafe(stored)
    if version == 3 or plain == synchsafe:
        return plain
    after = position + 10 + synchsafe
    is_end = after >= len(body) or body[after] == 0
    return synchsafe if is_end or _is_frame_name(body[after : after + 4]) else plain


def _is_frame_name(name: bytes) -> bool:
    return re.fullmatch(rb"[A-Z][A-Z0-9]{2,3}", name) is not None


def _plain_content(content: bytes, flags: int, version: int) -> bytes:
    """Return a frame's content without grouping byte, length, unsynchronisation and compression.

    Raises zlib.error if the compressed content is damaged. An encrypted frame has no content.
    """
    if version == 3:
        compressed, encrypted, grouped = flags & 0x80, flags & 0x40, flags & 0x20
        unsynchronised, has_length = 0, compressed
    else:
        grouped, compressed, encrypted = flags & 0x40, flags & 0x08, flags & 0x04
        unsynchronised, has_length = flags & 0x02, flags & 0x01
    if encrypted:
        return b""
    content = content[(4 if has_length else 0) + (1 if grouped else 0) :]
    if unsynchronised:
        content = _undo_unsynchronisation(content)
    return zlib.decompressobj().decompress(content, _MAX_TEXT_BYTES) if compressed else content


def _decode_text(content: bytes) -> list[str]:
    """Return the values of a text frame, which zeros separate."""
    encoding = _ENCODINGS.get(content[0]) if content else None
    if encoding is None:
        return []
    text = content[1:].decode(encoding, "replace")
    values = (value.strip("\ufeff \t\r\n") for value in text.split("\0"))  # each value may have a byte order mark
    return [value for value in values if value]


def _undo_unsynchronisation(data: bytes) -> bytes:
    return data.replace(b"\xff\x00", b"\xff")


def _synchsafe(data: bytes) -> int:
    """Return a number that is stored in seven bits per byte."""
    return sum((byte & 0x7F) << (7 * index) for index, byte in enumerate(reversed(data)))
