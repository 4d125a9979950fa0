"""What a lake no longer needs: old versions, files that no version names, uploads and tables never finished.

Old versions may go at any time: Lance keeps tagged ones. All else goes only while no writer is at work.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import fsspec
import lance
import pyarrow as pa

from lake.benchmarks import results as evaluations
from lake.catalogue.encoders import versions
from lake.storage.lake import Damaged, Lake, every_version
from lake.storage.lease import SWEEP, leases
from schemas.runs import RUNS
from schemas.tables import embeddings_table, features_table

MAINTAIN = "maintain"  # the lease of a maintenance, held in the main lake
PROMOTE = "promote"  # the lease of who moves `live`: a gate reads a snapshot for minutes that no tag keeps yet
ROOMS = ("benchmarks", "training")  # folders beside the tables, with lakes of their own
# Written only by those who hold a lease. Of the other tables Lance removes lost files when they are a week old.
LEASED = ("tracks", "quarantine", "audio_facts", evaluations.TABLE)
_LEASED_KINDS = ("embeddings__", "features__", "windows__")
_NO_VERSION = timedelta(days=36_500)  # older than any: only files that no version names are asked for
_STAGED = re.compile(r"#\d+$")  # how Lance's local store names a file that is being written


@dataclass(frozen=True, slots=True)
class Waste:
    """Something to remove: what it is, how many files, how many bytes."""

    what: str
    files: int
    size: int

    def __str__(self) -> str:
        return f"{self.files:,} {self.what} ({self.size / 1e6:,.1f} MB)"


def lakes(lake: Lake) -> list[Lake]:
    """The lake, and those of benchmarks and trainings beside its tables."""
    found = [lake]
    for room in ROOMS:
        try:
            entries = lake.files().ls(f"{lake.uri}/{room}", detail=False)
        except (FileNotFoundError, NotADirectoryError):
            continue
        below = [
            Lake(f"{lake.uri}/{room}/{entry.rstrip('/').rsplit('/', 1)[1]}", lake.s3) for entry in sorted(entries)
        ]
        found += [one for one in below if one.names()]
    return found


def is_table(lake: Lake, name: str) -> bool:
    """Whether it has a version: a run that was killed while it made a table leaves a folder without one."""
    try:
        return any(
            file.endswith(".manifest") for file in lake.files().ls(f"{lake.uri_of(name)}/_versions", detail=False)
        )
    except FileNotFoundError:
        return False


def files_of(lake: Lake, name: str) -> dict[str, int]:
    """Every file of a table with its size; none of a folder that a store keeps though it is empty."""
    found = lake.files().find(lake.uri_of(name), detail=True)
    return {path: info["size"] for path, info in found.items() if "/" in path.rsplit(f"{name}.lance", 1)[1]}


def guards(lake: Lake, name: str) -> list[str]:
    """The leases under which the table is written; for tables that every run writes to, all there ever were."""
    kind, _, rest = name.partition("__")
    if kind in ("embeddings", "windows") and rest:
        judged = [PROMOTE] if kind == "embeddings" and PROMOTE in leases(lake) else []
        return [f"embeddings__{rest}", *judged]
    if kind == "features" and rest:
        return sorted({embeddings_table(one.spec) for one in versions(lake) if features_table(one.spec) == name})
    if name == evaluations.TABLE:
        return [name]
    return writers(lake)


def writers(lake: Lake) -> list[str]:
    """Every lease that a writer ever held here."""
    return sorted({*leases(lake)} - {SWEEP, MAINTAIN})


def size(lake: Lake, name: str) -> int:
    """Bytes of all files of a table, those of old versions too."""
    return lake.files().du(lake.uri_of(name))


def old_versions(table: lance.LanceDataset, days: float) -> Waste:
    """What `drop_old_versions` would remove."""
    with every_version(table):
        plan = table.explain_cleanup_old_versions(timedelta(days=days), error_if_tagged_old_versions=False).stats
    return Waste("old versions", plan.old_versions, plan.bytes_removed)


def drop_old_versions(table: lance.LanceDataset, days: float) -> Waste:
    """Removes versions older than that, and files that only they name; tagged versions and the newest stay."""
    with every_version(table):
        done = table.cleanup_old_versions(timedelta(days=days), error_if_tagged_old_versions=False)
    return Waste("old versions", done.old_versions, done.bytes_removed)


def orphans(table: lance.LanceDataset) -> Waste:
    """Files that no version names: of a run that was killed, or of one that is writing right now."""
    with every_version(table):
        return _orphans(table.explain_cleanup_old_versions(_NO_VERSION, **_UNNAMED).stats)


def wasted(lake: Lake) -> list[tuple[str, Waste]]:
    """What `sweep` would remove, by table or by kind."""
    return [(name, waste) for name, waste, _ in _wasted(lake)]


def sweep(lake: Lake) -> list[tuple[str, Waste]]:
    """Removes what no version names. Only for who holds SWEEP and every lease of `writers`."""
    done = []
    for name, waste, remove in _wasted(lake):
        remove()
        done.append((name, waste))
    return done


_UNNAMED: dict[str, Any] = {"delete_unverified": True, "error_if_tagged_old_versions": False}


def _orphans(stats: Any) -> Waste:
    kinds = ("data", "transaction", "index", "deletion")
    return Waste("orphan files", sum(getattr(stats, f"{kind}_files_removed") for kind in kinds), stats.bytes_removed)


def _wasted(lake: Lake) -> Iterator[tuple[str, Waste, Callable[[], object]]]:
    files = lake.files()
    for name in sorted(lake.names()):
        if not is_table(lake, name):
            if found := files_of(lake, name):
                waste = Waste("files of a table never made", len(found), sum(found.values()))
                yield name, waste, partial(files.rm, lake.uri_of(name), recursive=True)
        elif name in LEASED or name.startswith(_LEASED_KINDS):
            try:
                waste = orphans(table := lake.table(name))
            except Damaged:  # what the version names that cannot be read is no waste
                continue
            if waste.files:
                yield name, waste, partial(table.cleanup_old_versions, _NO_VERSION, **_UNNAMED)
    for what, found in (("unfinished files", _staged(lake)), ("items of no evaluation", _lost_items(lake))):
        if found:
            yield "", Waste(what, len(found), sum(found.values())), partial(_remove, files, list(found))
    if uploads := list(unfinished_uploads(lake)):
        yield "", Waste("unfinished uploads", len(uploads), 0), partial(_abort, files, uploads)


def _remove(files: fsspec.AbstractFileSystem, paths: Iterable[str]) -> None:
    for path in paths:
        files.rm_file(path)


def _abort(files: fsspec.AbstractFileSystem, uploads: list[dict[str, str]]) -> None:
    for upload in uploads:
        files.call_s3("abort_multipart_upload", **upload)


def _staged(lake: Lake) -> dict[str, int]:
    """Local files that were being written when their process was killed, with their sizes."""
    if lake.uri.startswith("s3://"):
        return {}
    found = {path: size for name in lake.names() for path, size in files_of(lake, name).items()}
    return {path: size for path, size in found.items() if _STAGED.search(path)}


def _lost_items(lake: Lake) -> dict[str, int]:
    """Item files of an evaluation whose rows were never written, with their sizes."""
    try:
        known = evaluations.ids(lake)
    except Damaged:
        return {}
    return {path: size for name, (path, size) in evaluations.item_files(lake).items() if name not in known}


def unfinished_uploads(lake: Lake) -> Iterator[dict[str, str]]:
    """Multipart uploads below the lake's own tables that were begun and never ended."""
    if not lake.uri.startswith("s3://"):
        return
    bucket, _, prefix = lake.uri.removeprefix("s3://").partition("/")
    prefix = f"{prefix}/" if prefix else ""
    asked = {"Bucket": bucket, "Prefix": prefix}
    while asked:
        page = lake.files().call_s3("list_multipart_uploads", **asked)
        for upload in page.get("Uploads", ()):
            if not upload["Key"].startswith(tuple(f"{prefix}{room}/" for room in ROOMS)):
                yield {"Bucket": bucket, "Key": upload["Key"], "UploadId": upload["UploadId"]}
        markers = {"KeyMarker": page.get("NextKeyMarker"), "UploadIdMarker": page.get("NextUploadIdMarker")}
        asked = {"Bucket": bucket, "Prefix": prefix, **markers} if page.get("IsTruncated") else {}


def stale_runs(lake: Lake, living: set[str]) -> list[dict[str, Any]]:
    """Rows of runs that are marked as running though nobody holds a lease for them."""
    if "runs" not in lake.names():
        return []
    rows = lake.table("runs").to_table(filter="status = 'running'").to_pylist()
    return [row for row in rows if row["run_id"] not in living]


def fail(lake: Lake, runs: list[dict[str, Any]]) -> None:
    """Marks runs as failed, now."""
    if runs:
        ended = [row | {"status": "failed", "finished_at": datetime.now(UTC)} for row in runs]
        merge = lake.table("runs").merge_insert("run_id").when_matched_update_all()
        merge.execute(pa.Table.from_pylist(ended, schema=RUNS))
