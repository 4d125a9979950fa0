"""ID3 tags written byte by byte, as id3.org specifies them."""

import struct

_SHORT_NAMES = {"TIT2": "TT2", "TPE1": "TP1", "TALB": "TAL", "TCON": "TCO", "TYER": "TYE"}


def id3_tag(version: int, *frames: bytes, flags: int = 0) -> bytes:
    """Return a tag of version 2.`version` with the frames; `flags` are those of the tag's header."""
    body = b"".join(frames)
    return b"ID3" + bytes([version, 0, flags]) + synchsafe(len(body)) + body


def frame(version: int, name: str, content: bytes, flags: int = 0) -> bytes:
    """Return a frame of version 2.`version`; `flags` are its format flags. `name` is that of version 2.4."""
    if version == 2:
        return _SHORT_NAMES[name].encode() + len(content).to_bytes(3, "big") + content
    size = synchsafe(len(content)) if version == 4 else struct.pack(">I", len(content))
    return name.encode() + size + bytes([0, flags]) + content


def latin_1(text: str) -> bytes:
    """Return the content of a text frame in Latin-1."""
    return b"\0" + text.encode("latin-1")


def utf_16(text: str) -> bytes:
    """Return the content of a text frame in UTF-16, with a byte order mark before each value."""
    return b"\1" + b"\0\0".join(value.encode("utf-16") for value in text.split("\0"))


def synchsafe(number: int) -> bytes:
    """Return a number in four bytes of seven bits each."""
    return bytes((number >> shift) & 0x7F for shift in (21, 14, 7, 0))


def unsynchronise(data: bytes) -> bytes:
    """Return the data with a zero after every 0xFF that would look like the start of an MPEG frame."""
    changed = bytearray()
    for byte, following in zip(data, [*data[1:], None], strict=True):
        changed.append(byte)
        if byte == 0xFF and (following is None or following >= 0xE0 or following == 0):
            changed.append(0)
    return bytes(changed)


def version_1_tag(title: str | bytes, artist: str, album: str, year: str, genre: int) -> bytes:
    """Return a tag of version 1, which stands at the end of a file."""
    title = title if isinstance(title, bytes) else title.encode("latin-1")
    texts = (title.ljust(30, b"\0"), *(text.encode().ljust(30, b"\0") for text in (artist, album)))
    return b"TAG" + b"".join(texts) + year.encode().ljust(4, b"\0") + bytes(30) + bytes([genre])
