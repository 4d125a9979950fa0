"""Tables that have versions which cannot be read: what is left of them, and how they go on from there.

A version is a file, its manifest; a cut or zeroed one hides rows whose files are whole. The version before it is read
in its place. What the newest lacks then is pending, and the next index computes it.
"""

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from lake.maintenance.cleanup import is_table, old_versions
from lake.releases import releases
from lake.storage.lake import Damaged, Lake
from lake.takedowns import takedowns

ASIDE = "_damaged"  # a folder beside the tables
_FIRST_COUNTED_DOWN = 1 << 63  # Lance names manifests by 2^64 - 1 - version, so that the newest is listed first
_LAST_BYTES = b"LANC"  # of every whole manifest; Lance cleans nothing up where one lacks them


@dataclass(frozen=True, slots=True)
class Left:
    """Of a damaged table: the manifests that cannot be read, by version; the versions that can, the newest first, and
    the rows of that.
    """

    broken: dict[int, str]
    whole: tuple[int, ...]
    rows: int

    @property
    def version(self) -> int:
        """The newest that can be read, or 0."""
        return max(self.whole, default=0)

    @property
    def loses(self) -> bool:
        """Whether the newest of all is among those that cannot be read."""
        return max(self.broken) > self.version

    def instead_of(self, version: int) -> int:
        """The version before it, of those that can be read; the newest where there is none before."""
        return next((one for one in self.whole if one < version), self.version)

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
    """What is left of a table; None where nothing is wrong with it. An older version counts: Lance reads them all."""
    try:
        old_versions(lake.table(name), 0)
    except Damaged:
        manifests = _manifests(lake, name)
        whole = tuple(one for one in manifests if _is_whole(lake, name, one, manifests[one]))
        if len(whole) == len(manifests):
            raise
        rows = lake.pinned(name, whole[0]).table(name).count_rows() if whole else 0
        return Left({one: manifests[one] for one in manifests if one not in whole}, whole, rows)
    return None


def may_mend(name: str, left: Left) -> bool:
    """Whether the version before may take its place unasked: one takedown less, and a track would come back."""
    return left.version > 0 and not (name == takedowns.TABLE and left.loses)


def mend(lake: Lake, name: str, left: Left) -> str:
    """Puts the manifests that cannot be read aside. Only for who holds every lease; says what was done.

    Releases of them are from then on of the version before. They leave first and the newest manifest goes last: killed
    anywhere, nothing names what is gone, and the same again goes on. The numbers of lost versions are not used again.
    """
    for version in left.broken if name.startswith("embeddings__") else ():
        instead = left.instead_of(version)
        releases.succeed(lake, name, version, lake.pinned(name, instead).table(name))
    files, aside = lake.files(), f"{lake.uri}/{ASIDE}/{name}"
    files.makedirs(aside, exist_ok=True)
    for _, path in sorted(left.broken.items()):
        files.mv(path, f"{aside}/{datetime.now(UTC):%Y%m%dT%H%M%S.%f}-{posixpath.basename(path)}")
    while lake.table(name).version <= max(left.broken):
        lake.table(name).restore()
    return f"{left}: that is read now, and the others lie in {ASIDE}/{name}"


def _manifests(lake: Lake, name: str) -> dict[int, str]:
    """The newest first."""
    paths = lake.files().ls(f"{lake.uri_of(name)}/_versions", detail=False)
    stems = {posixpath.basename(path).removesuffix(".manifest"): path for path in paths if path.endswith(".manifest")}
    found = {_version(int(stem)): path for stem, path in stems.items() if stem.isdigit()}
    return dict(sorted(found.items(), reverse=True))


def _is_whole(lake: Lake, name: str, version: int, path: str) -> bool:
    if lake.files().tail(path, len(_LAST_BYTES)) != _LAST_BYTES:
        return False
    try:
        lake.pinned(name, version).table(name)
    except (Damaged, ValueError):
        return False
    return True


def _version(number: int) -> int:
    return (1 << 64) - 1 - number if number >= _FIRST_COUNTED_DOWN else number
