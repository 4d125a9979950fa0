import hashlib
import io
import struct
import tarfile
from pathlib import Path

import pytest

from schemas.errors import UserError
from workers.synthetic_music.corpus import soundfonts
from workers.synthetic_music.corpus.soundfonts import OPEN_CUTOFF, DebianFont, fetch_soundfont, read_soundfont

MEMBER = "./usr/share/sounds/sf2/small.sf2"


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def small_font(*generators: tuple[int, int]) -> bytes:
    """Make a sound bank that has only the instruments' generators, in its last chunk."""
    amounts = b"".join(struct.pack("<Hh", *generator) for generator in generators)
    return (
        b"RIFF....sfbk" + b"odd igen bytes of a sample" + b"igen" + struct.pack("<I", len(amounts)) + amounts + b"shdr"
    )


def make_package(content: bytes, compression: str) -> bytes:
    """Make a Debian package as dpkg writes it: an ar archive of a version, control.tar and data.tar."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode=f"w:{compression}") as archive:
        for name, file_content in (("./usr/share/doc/copyright", b"MIT"), (MEMBER, content)):
            info = tarfile.TarInfo(name)
            info.size = len(file_content)
            archive.addfile(info, io.BytesIO(file_content))
    members = {"debian-binary": b"2.0\n", "control.tar.gz": b"odd", f"data.tar.{compression}": data.getvalue()}
    packed = b"!<arch>\n"
    for name, member in members.items():
        packed += (
            f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(member):<10}`\n".encode()
            + member
            + b"\n" * (len(member) % 2)
        )
    return packed


def font_of(packed: bytes, content: bytes, **more) -> DebianFont:
    return DebianFont("small", "s/small/small_1_all.deb", sha256(packed), MEMBER, sha256(content), "MIT", **more)


@pytest.mark.parametrize("compression", ["xz", "gz"])
def test_a_soundfont_comes_out_of_a_local_package(tmp_path, compression):
    content = small_font((8, 6000))
    packed = make_package(content, compression)
    (tmp_path / "small_1_all.deb").write_bytes(packed)
    path = fetch_soundfont(font_of(packed, content), tmp_path / "models", tmp_path)
    assert path.read_bytes() == content
    (tmp_path / "small_1_all.deb").unlink()
    assert fetch_soundfont(font_of(packed, content), tmp_path / "models", None) == path, "the soundfont is kept"


def test_a_soundfont_comes_from_the_pool_or_else_the_snapshot(tmp_path, monkeypatch):
    content = small_font((8, 6000))
    packed = make_package(content, "xz")
    file = tmp_path / "snapshot" / "s" / "small" / "small_1_all.deb"
    file.parent.mkdir(parents=True)
    file.write_bytes(packed)
    monkeypatch.setattr(soundfonts, "POOL", (tmp_path / "gone").as_uri())
    monkeypatch.setattr(soundfonts, "SNAPSHOT", (tmp_path / "snapshot").as_uri())
    assert fetch_soundfont(font_of(packed, content), tmp_path / "models", None).read_bytes() == content


def test_the_soundfont_itself_is_accepted(tmp_path):
    content = small_font()
    (tmp_path / "small.sf2").write_bytes(content)
    assert fetch_soundfont(font_of(b"", content), tmp_path / "models", tmp_path).read_bytes() == content


def test_a_file_that_is_not_pinned_is_rejected(tmp_path):
    content = small_font()
    packed = make_package(content, "xz")
    (tmp_path / "small_1_all.deb").write_bytes(packed + b"more")
    with pytest.raises(UserError, match="not the file that was pinned"):
        fetch_soundfont(font_of(packed, content), tmp_path / "models", tmp_path)
    (tmp_path / "small_1_all.deb").write_bytes(packed)
    with pytest.raises(UserError, match=r"small\.sf2 is not the file that was pinned"):
        fetch_soundfont(font_of(packed, content + b"more"), tmp_path / "models", tmp_path)
    (tmp_path / "small_1_all.deb").write_bytes(b"not a package")
    with pytest.raises(UserError, match="holds no file"):
        fetch_soundfont(font_of(b"not a package", content), tmp_path / "models", tmp_path)


def test_the_offline_error_names_the_ways_out(tmp_path, monkeypatch):
    monkeypatch.setattr(soundfonts, "POOL", (tmp_path / "gone").as_uri())
    monkeypatch.setattr(soundfonts, "SNAPSHOT", (tmp_path / "gone").as_uri())
    with pytest.raises(UserError, match=r"set TONELAKE_SOUNDFONTS to a folder with small_1_all\.deb or small\.sf2"):
        fetch_soundfont(font_of(b"", b""), tmp_path / "models", tmp_path)


def test_only_the_muffled_filters_are_opened(tmp_path):
    content = small_font((8, 6237), (48, 6237), (8, 5000))
    (tmp_path / "font.sf2").write_bytes(content)
    opened = read_soundfont(font_of(b"", content, muffled_cutoff=6237), tmp_path / "font.sf2")
    assert opened == small_font((8, OPEN_CUTOFF), (48, 6237), (8, 5000))
    assert read_soundfont(font_of(b"", content), Path(tmp_path / "font.sf2")) == content
