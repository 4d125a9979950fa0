"""Debian's packages: where they are, and what is in them.

for name, content in read_package(file): ...
"""

import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, BinaryIO

from schemas.errors import UserError
from workers.weights.sources import file_sha256

POOL = "http://deb.debian.org/debian/pool/main"
# Used if the pool has newer versions only.
SNAPSHOT = "http://snapshot.debian.org/archive/debian/20250520T000000Z/pool/main"
AR_HEADER = 60  # bytes before each member of a package, which is an ar archive


def read_package(package: BinaryIO) -> Iterator[tuple[str, IO[bytes]]]:
    """Yield the files of a Debian package, an ar archive around data.tar.*.

    Each must be read before the next is requested.
    """
    for name in _ar_members(package):
        if name.startswith("data.tar"):
            with tarfile.open(fileobj=package, mode="r|*") as archive:
                for member in archive:
                    content = archive.extractfile(member) if member.isfile() else None
                    if content is not None:
                        yield member.name, content
            return


def _ar_members(package: BinaryIO) -> Iterator[str]:
    """Yield the names of an ar archive's members.

    After each name, the file is positioned at the member's content.
    """
    if package.read(8) != b"!<arch>\n":
        return
    while len(header := package.read(AR_HEADER)) == AR_HEADER:
        size, start = int(header[48:58]), package.tell()
        yield header[:16].decode("ascii").strip().rstrip("/")
        package.seek(start + size + size % 2)


def verify_sha256(path: Path, digest: str) -> Path:
    """Return the path. Raises UserError if the file has another sha256."""
    if file_sha256(path) != digest:
        raise UserError(f"{path.name} is not the file that was pinned: its sha256 differs; delete it and try again")
    return path
