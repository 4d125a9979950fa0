"""Tables whose newest versions cannot be read: what is left of them, and how they go on from there.

A version is a file, its manifest; a cut or zeroed one hides rows whose files are whole. The version before it is read
in its place, and what it lacks is pending: the next index computes it. The damaged file is kept, for who can read it.
"""

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass

from lake import releases, takedowns
from lake.connect import Damaged, Lake
from lake.tidy import is_table

ASIDE = "_damaged"  # a folder beside the tables
_FIRST_COUNTED_DOWN = 1 << 63  # Lance names manifests by 2^64 - 1 - version, so that the newest is listed first


@dataclass(frozen=True, slots=True)
class Left:
    """Of a damaged table: the manifests that cannot be read, by version, and the newest version that can, or 0."""

    broken: dict[int, str]
    version: int
    rows: int

    @property
    def is_mendable(self) -> bool:
        return self.version > 0

    def __str__(self) -> str:
        lost = f"version {', '.join(map(str, self.broken))} cannot be read"
        return (
            f"{lost}; version {self.version} can, of {self.rows:,} rows" if self.version else f"{lost}, nor any other"
        )


def damaged(lake: Lake) -> Iterator[tuple[str, Left]]:
    """The damaged tables of a lake; that of releases first, which mending the others writes to."""
    for name in sorted(lake.names(), key=lambda name: (name != releases.TABLE, name)):
        if is_table(lake, name) and (left := left_of(lake, name)):
            yield name, left


def left_of(lake: Lake, name: str) -> Left | None:
    """What is left of a table; None where nothing is wrong with it."""
    try:
        lake.table(name)
    except Damaged:
        pass
    else:
        return None
    broken: dict[int, str] = {}
    for version, path in sorted(_manifests(lake, name).items(), reverse=True):
        try:
            return Left(broken, version, lake.pinned(name, version).table(name).count_rows())
        except (Damaged, ValueError):  # of zeros Lance says that it is another version
            broken[version] = path
    return Left(broken, 0, 0)


def may_mend(name: str, left: Left) -> bool:
    """Whether the version before may take its place unasked: one takedown less, and a track would come back."""
    return left.is_mendable and name != takedowns.TABLE


def mend(lake: Lake, name: str, left: Left) -> str:
    """Puts the manifests that cannot be read aside. Only for who holds every lease; says what was done.

    The version that can be read becomes the newest under a number of its own, and releases of those that cannot be
    read are from now on of it: no number means two contents.
    """
    files = lake.files()
    files.makedirs(f"{lake.uri}/{ASIDE}/{name}", exist_ok=True)
    for path in left.broken.values():
        files.mv(path, f"{lake.uri}/{ASIDE}/{name}/{posixpath.basename(path)}")
    lake.table(name).restore()
    table = lake.table(name)
    for version in left.broken if name.startswith("embeddings__") else ():
        releases.succeed(lake, name, version, table)
    return f"{left}: that is read now, and the others lie in {ASIDE}/{name}"


def _manifests(lake: Lake, name: str) -> dict[int, str]:
    paths = lake.files().ls(f"{lake.uri_of(name)}/_versions", detail=False)
    stems = {posixpath.basename(path).removesuffix(".manifest"): path for path in paths if path.endswith(".manifest")}
    return {_version(int(stem)): path for stem, path in stems.items() if stem.isdigit()}


def _version(number: int) -> int:
    return (1 << 64) - 1 - number if number >= _FIRST_COUNTED_DOWN else number
