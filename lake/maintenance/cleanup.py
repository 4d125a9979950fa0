"""What a lake no longer needs: old versions, orphan files, unfinished uploads and unfinished tables.

Old versions may be removed at any time, because Lance keeps tagged ones. Everything else may be removed only while no
writer is at work.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

import fsspec
import lance

from lake.benchmarks import results as evaluations
from lake.catalogue import descriptions
from lake.catalogue.encoders import list_encoder_versions
from lake.storage.corruption import CorruptTableError, detect_corruption
from lake.storage.holders import lease_names
from lake.storage.lake import Lake, LeaseCheck
from lake.storage.lease import Lease, LeaseName, fence_tables
from schemas.log import Log
from schemas.tables import embeddings_table, features_table

SUBLAKE_FOLDERS = ("benchmarks", "training")  # folders beside the tables that contain lakes of their own
# Tables that are written only under a lease. In the others Lance removes orphan files once they are a week old.
LEASED_TABLES = (
    *("tracks", "track_aliases", "quarantine", "audio_facts", descriptions.TABLE, "stale"),
    evaluations.TABLE,
)
_LEASED_PREFIXES = ("embeddings__", "features__", "windows__")
_OLDER_THAN_ANY_VERSION = timedelta(days=36_500)  # with this age Lance reports and removes orphan files alone
_ORPHAN_OPTIONS: dict[str, Any] = {"delete_unverified": True, "error_if_tagged_old_versions": False}
_UNFINISHED_FILE = re.compile(r"#\d+$")  # the names that Lance's local store gives files while it writes them


@dataclass(frozen=True, slots=True)
class Garbage:
    """Something to remove: what it is, the number of files, and their bytes."""

    what: str
    files: int
    size: int

    def __str__(self) -> str:
        return f"{self.files:,} {self.what} ({self.size / 1e6:,.1f} MB)"


def list_lakes(lake: Lake) -> list[Lake]:
    """Return the lake and the lakes of benchmarks and trainings beside its tables."""
    lakes = [lake]
    for folder in SUBLAKE_FOLDERS:
        try:
            entries = lake.file_system().ls(f"{lake.uri}/{folder}", detail=False)
        except (FileNotFoundError, NotADirectoryError):
            continue
        names = [entry.rstrip("/").rsplit("/", 1)[1] for entry in sorted(entries)]
        sublakes = [Lake(f"{lake.uri}/{folder}/{name}", lake.s3) for name in names]
        lakes += [sublake for sublake in sublakes if sublake.folder_names()]
    return lakes


def table_files(lake: Lake, name: str) -> dict[str, int]:
    """Return every file of a table with its size in bytes.

    Some stores keep an empty folder: it has no files.
    """
    entries = lake.file_system().find(lake.table_uri(name), detail=True)
    return {path: info["size"] for path, info in entries.items() if "/" in path.rsplit(f"{name}.lance", 1)[1]}


def required_leases(lake: Lake, name: str) -> list[str]:
    """Return the names of the leases that a writer of the table must hold.

    Tables that every run writes to need every lease of the lake.
    """
    kind, _, version = name.partition("__")
    if kind in ("embeddings", "windows") and version:
        names = [f"embeddings__{version}"]
        if kind == "embeddings" and LeaseName.PROMOTE in lease_names(lake):
            names.append(LeaseName.PROMOTE)  # a gate reads a snapshot that no tag protects yet
        return names
    if kind == "features" and version:
        specs = [encoder.spec for encoder in list_encoder_versions(lake)]
        return sorted({embeddings_table(spec) for spec in specs if features_table(spec) == name})
    if name == evaluations.TABLE:
        return [name]
    return writer_leases(lake)


def writer_leases(lake: Lake) -> list[str]:
    """Return the names of all leases that writers have ever held in this lake."""
    return sorted({*lease_names(lake)} - {LeaseName.SWEEP, LeaseName.MAINTAIN})


def all_leases(lake: Lake) -> list[str]:
    """Return the names of the leases that together keep every writer out, SWEEP first."""
    return [LeaseName.SWEEP, *writer_leases(lake)]


@contextmanager
def exclusive_access(
    lakes: Iterable[Lake], run_id: str, log: Log, *, for_upgrade: bool = False
) -> Iterator[LeaseCheck]:
    """Hold every lease of these lakes. The value is called to check that all of them are still held.

    Raises UserError, which names the holder, if somebody else is writing.
    """
    held: list[Lease] = []

    def check() -> None:
        for lease in held:
            lease.check()

    with ExitStack() as stack:
        for lake in lakes:
            leases = [Lease(lake, name, run_id, log, for_upgrade=for_upgrade) for name in all_leases(lake)]
            for lease in leases:
                held.append(stack.enter_context(lease))
            if any(lease.has_silent_rival for lease in leases):
                fence_tables(lake, LEASED_TABLES)  # which holders of several leases write
        yield check


def table_size(lake: Lake, name: str) -> int:
    """Return the bytes of all files of a table, old versions included."""
    return int(lake.file_system().du(lake.table_uri(name)))


def old_versions(table: lance.LanceDataset, days: float) -> Garbage:
    """Return what `drop_old_versions` would remove."""
    with detect_corruption(table):
        plan = table.explain_cleanup_old_versions(timedelta(days=days), error_if_tagged_old_versions=False).stats
    return Garbage("old versions", plan.old_versions, plan.bytes_removed)


def drop_old_versions(table: lance.LanceDataset, days: float) -> Garbage:
    """Remove the versions that are older than `days`, with the files that only they use.

    Tagged versions and the newest version stay.
    """
    with detect_corruption(table):
        stats = table.cleanup_old_versions(timedelta(days=days), error_if_tagged_old_versions=False)
    return Garbage("old versions", stats.old_versions, stats.bytes_removed)


def find_garbage(lake: Lake) -> list[tuple[str, Garbage]]:
    """Return what `remove_garbage` would remove, with the name of its table or ""."""
    return [(name, garbage) for name, garbage, _ in _find_garbage(lake)]


def remove_garbage(lake: Lake) -> list[tuple[str, Garbage]]:
    """Remove what no version uses; return it as `find_garbage` does.

    The caller must hold the lease SWEEP and all of `writer_leases`.
    """
    removed = []
    for name, garbage, remove in _find_garbage(lake):
        remove()
        removed.append((name, garbage))
    return removed


def unfinished_uploads(lake: Lake) -> Iterator[dict[str, str]]:
    """Yield the unfinished multipart uploads below the lake's own tables, as arguments for S3's API."""
    if not lake.uri.startswith("s3://"):
        return
    bucket, _, prefix = lake.uri.removeprefix("s3://").partition("/")
    prefix = f"{prefix}/" if prefix else ""
    sublakes = tuple(f"{prefix}{folder}/" for folder in SUBLAKE_FOLDERS)
    request = {"Bucket": bucket, "Prefix": prefix}
    while request:
        page = lake.file_system().call_s3("list_multipart_uploads", **request)
        for upload in page.get("Uploads", ()):
            if not upload["Key"].startswith(sublakes):
                yield {"Bucket": bucket, "Key": upload["Key"], "UploadId": upload["UploadId"]}
        markers = {"KeyMarker": page.get("NextKeyMarker"), "UploadIdMarker": page.get("NextUploadIdMarker")}
        request = {"Bucket": bucket, "Prefix": prefix, **markers} if page.get("IsTruncated") else {}


def _find_garbage(lake: Lake) -> Iterator[tuple[str, Garbage, Callable[[], object]]]:
    """Yield the table's name or "", the garbage, and the function that removes it."""
    files = lake.file_system()
    for name in sorted(lake.folder_names()):
        if not lake.has_version(name):
            if sizes := table_files(lake, name):
                garbage = Garbage("files of an unfinished table", len(sizes), sum(sizes.values()))
                yield name, garbage, partial(lake.remove_table, name)
        elif name in LEASED_TABLES or name.startswith(_LEASED_PREFIXES):
            try:
                table = lake.table(name)
                garbage = _orphan_files(table)
            except CorruptTableError:  # the files of an unreadable version look like orphans but are none
                continue
            if garbage.files:
                yield name, garbage, partial(table.cleanup_old_versions, _OLDER_THAN_ANY_VERSION, **_ORPHAN_OPTIONS)
    loose = {"unfinished files": _unfinished_files(lake), "items of no evaluation": _lost_predictions(lake)}
    for what, sizes in loose.items():
        if sizes:
            yield "", Garbage(what, len(sizes), sum(sizes.values())), partial(_remove, files, list(sizes))
    if uploads := list(unfinished_uploads(lake)):
        yield "", Garbage("unfinished uploads", len(uploads), 0), partial(_abort, files, uploads)


def _orphan_files(table: lance.LanceDataset) -> Garbage:
    """Return the files that no version uses.

    A killed run left them, or a run is writing them right now.
    """
    with detect_corruption(table):
        stats = table.explain_cleanup_old_versions(_OLDER_THAN_ANY_VERSION, **_ORPHAN_OPTIONS).stats
    kinds = ("data", "transaction", "index", "deletion")
    return Garbage("orphan files", sum(getattr(stats, f"{kind}_files_removed") for kind in kinds), stats.bytes_removed)


def _unfinished_files(lake: Lake) -> dict[str, int]:
    """Return the local files whose writer was killed, with their sizes in bytes."""
    if lake.uri.startswith("s3://"):
        return {}
    sizes = {path: size for name in lake.folder_names() for path, size in table_files(lake, name).items()}
    return {path: size for path, size in sizes.items() if _UNFINISHED_FILE.search(path)}


def _lost_predictions(lake: Lake) -> dict[str, int]:
    """Return the prediction files of evaluations whose rows were never written, with their sizes."""
    try:
        known = evaluations.evaluation_ids(lake)
    except CorruptTableError:
        return {}
    return {path: size for name, (path, size) in evaluations.prediction_files(lake).items() if name not in known}


def _remove(files: fsspec.AbstractFileSystem, paths: Iterable[str]) -> None:
    for path in paths:
        files.rm_file(path)


def _abort(files: fsspec.AbstractFileSystem, uploads: list[dict[str, str]]) -> None:
    for upload in uploads:
        files.call_s3("abort_multipart_upload", **upload)
