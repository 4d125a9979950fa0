"""Retention of releases: which keep their files, and where they point after a rewrite."""

import lance
import pyarrow as pa

from lake.releases.releases import TABLE, list_releases
from lake.storage.lake import Lake
from schemas.releases import RELEASES, Release


def repoint_releases(lake: Lake, name: str, version: int, table: lance.LanceDataset) -> list[Release]:
    """Point the releases of one version of table `name` to `table` instead.

    Returns these releases as they were before.
    """
    releases = [
        release
        for release in list_releases(lake)
        if (release.snapshot.table, release.snapshot.lance_version) == (name, version)
    ]
    tags = table.tags.list()
    for release in releases:
        if release.tag in tags:
            table.tags.update(release.tag, table.version)
    _write_snapshots(lake, releases, table)
    return releases


def repair_tags(lake: Lake) -> None:
    """Complete what was killed between a tag and its row. The caller must hold every lease.

    A release whose tag `repoint_releases` had moved gets its new snapshot. A tag whose release was never published is
    deleted.
    """
    releases = {(release.snapshot.table, release.tag): release for release in list_releases(lake)}
    for name in sorted(lake.table_names()):
        if not name.startswith("embeddings__"):
            continue
        tags = lake.table(name).tags
        for tag, target in tags.list().items():
            release = releases.get((name, tag))
            if release is None and tag.startswith("release-"):
                tags.delete(tag)
            elif release and release.snapshot.lance_version != target["version"]:
                _write_snapshots(lake, [release], lake.pin(name, target["version"]).table(name))


def drop_old_releases(lake: Lake, keep: int) -> list[int]:
    """Drop the tags of releases that are no longer kept, and return their numbers.

    Kept are the newest `keep` releases and the newest of each version. Their rows stay. The next cleanup of Lance
    versions removes the files that no other release needs; readers of a dropped release then get an error that says
    so.
    """
    releases = list_releases(lake)
    newest_of_table = {release.snapshot.table: release.number for release in releases}
    kept = {release.number for release in releases[-keep:]} | {*newest_of_table.values()}
    dropped = []
    for name in sorted(newest_of_table):
        if not lake.has_version(name):  # removed by hand
            continue
        tags = lake.table(name).tags
        known = tags.list()
        for release in releases:
            if release.snapshot.table == name and release.number not in kept and release.tag in known:
                tags.delete(release.tag)
                dropped.append(release.number)
    return dropped


def _write_snapshots(lake: Lake, releases: list[Release], table: lance.LanceDataset) -> None:
    """Write releases with `table` as their snapshot."""
    changed = {"lance_version": table.version, "tracks": table.count_rows()}
    if releases:
        rows = [release.row() | changed for release in releases]
        lake.upsert(TABLE, RELEASES, pa.Table.from_pylist(rows, schema=RELEASES))
