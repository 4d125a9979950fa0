"""Tables with unreadable versions: what is left of them, and their repair.

A version is a file, its manifest. If the manifest is cut or zeroed, rows are missing whose files are whole. The repair
reads the version before it instead; tracks that this version lacks are pending, and the next index embeds them.
"""

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass

from lake.maintenance.cleanup import old_versions
from lake.releases import releases, retention
from lake.storage.corruption import CorruptTableError
from lake.storage.lake import Lake
from lake.takedowns import takedowns
from schemas import clock

DAMAGED_FOLDER = "_damaged"  # beside the tables
_FIRST_COUNTED_DOWN = 1 << 63  # Lance names manifests by 2^64 - 1 - version, so that the newest is listed first
_LAST_BYTES = b"LANC"  # of every whole manifest; Lance cleans nothing up where one lacks them


@dataclass(frozen=True, slots=True)
class DamageReport:
    """State of a damaged table.

    `unreadable_manifests` are paths by version. `readable_versions` are sorted, the newest first; `rows` is the row
    count of the newest readable one.
    """

    unreadable_manifests: dict[int, str]
    readable_versions: tuple[int, ...]
    rows: int

    @property
    def newest_readable(self) -> int:
        """The newest readable version, or 0."""
        return max(self.readable_versions, default=0)

    @property
    def lost_newest(self) -> bool:
        """Whether the newest of all versions is unreadable."""
        return max(self.unreadable_manifests) > self.newest_readable

    def replacement_for(self, version: int) -> int:
        """Return the newest readable version before `version`; without one, the newest readable."""
        return next((readable for readable in self.readable_versions if readable < version), self.newest_readable)

    def __str__(self) -> str:
        unreadable = f"version {', '.join(map(str, self.unreadable_manifests))} cannot be read"
        if not self.newest_readable:
            return f"{unreadable}, nor any other"
        return f"{unreadable}; version {self.newest_readable} can, of {self.rows:,} rows"


def find_damaged(lake: Lake) -> Iterator[tuple[str, DamageReport]]:
    """Yield name and state of each damaged table.

    The table of releases comes first, because the repair of the others writes to it.
    """
    for name in sorted(lake.table_names(), key=lambda name: (name != releases.TABLE, name)):
        if report := inspect_table(lake, name):
            yield name, report


def inspect_table(lake: Lake, name: str) -> DamageReport | None:
    """Return the state of a damaged table, or None if every version is readable.

    Older versions count too: a cleanup reads them all.
    """
    try:
        old_versions(lake.table(name), 0)
    except CorruptTableError:
        manifests = _list_manifests(lake, name)
        readable = tuple(version for version, path in manifests.items() if _is_readable(lake, name, version, path))
        if len(readable) == len(manifests):
            raise
        rows = lake.pin(name, readable[0]).table(name).count_rows() if readable else 0
        unreadable = {version: path for version, path in manifests.items() if version not in readable}
        return DamageReport(unreadable, readable, rows)
    return None


def may_repair(name: str, report: DamageReport) -> bool:
    """Return whether the table may be repaired without asking a person.

    The list of takedowns may not lose its newest version: a track that was taken down could come back.
    """
    return report.newest_readable > 0 and not (name == takedowns.TABLE and report.lost_newest)


def repair(lake: Lake, name: str, report: DamageReport) -> str:
    """Move the unreadable manifests aside; return a line that says so. The caller must hold every lease.

    Releases of unreadable versions are repointed to the version before, and only then the manifests are moved, the
    newest last. So a killed repair leaves no release of a missing version, and the same call finishes it. The numbers
    of lost versions are not used again.
    """
    if name.startswith("embeddings__"):
        for version in report.unreadable_manifests:
            replacement = lake.pin(name, report.replacement_for(version)).table(name)
            retention.repoint_releases(lake, name, version, replacement)
    files, folder = lake.file_system(), f"{lake.uri}/{DAMAGED_FOLDER}/{name}"
    files.makedirs(folder, exist_ok=True)
    for _, path in sorted(report.unreadable_manifests.items()):
        files.mv(path, f"{folder}/{clock.now():%Y%m%dT%H%M%S.%f}-{posixpath.basename(path)}")
    while lake.table(name).version <= max(report.unreadable_manifests):
        lake.table(name).restore()  # type: ignore[no-untyped-call]
    return f"{report}: that is read now, and the others lie in {DAMAGED_FOLDER}/{name}"


def was_repaired(lake: Lake, name: str) -> bool:
    """Tell whether unreadable versions of a table were ever put aside."""
    return bool(lake.file_system().exists(f"{lake.uri}/{DAMAGED_FOLDER}/{name}"))


def _list_manifests(lake: Lake, name: str) -> dict[int, str]:
    """Return the paths of a table's manifests by version, the newest first."""
    paths = lake.file_system().ls(f"{lake.table_uri(name)}/_versions", detail=False)
    stems = {posixpath.basename(path).removesuffix(".manifest"): path for path in paths if path.endswith(".manifest")}
    manifests = {_version_of(int(stem)): path for stem, path in stems.items() if stem.isdigit()}
    return dict(sorted(manifests.items(), reverse=True))


def _is_readable(lake: Lake, name: str, version: int, path: str) -> bool:
    if lake.file_system().tail(path, len(_LAST_BYTES)) != _LAST_BYTES:
        return False
    try:
        lake.pin(name, version).table(name)
    except (CorruptTableError, ValueError):
        return False
    return True


def _version_of(number: int) -> int:
    """Return the version of a manifest whose file name is `number`."""
    return (1 << 64) - 1 - number if number >= _FIRST_COUNTED_DOWN else number
