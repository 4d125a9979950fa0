"""Releases: which snapshot of which encoder version readers see. The live release is the last one published.

A release is a row; a Lance tag `release-N` on its table keeps the snapshot's files through every cleanup.
"""

from collections.abc import Sequence

import lance

from lake.catalogue.encoders import list_encoder_versions
from lake.storage.lake import Lake
from lake.storage.old_forms import read_table
from schemas.encoders import EncoderSpec
from schemas.errors import UserError
from schemas.releases import RELEASES, Release, Snapshot
from schemas.tables import embeddings_table

TABLE = "releases"


def list_releases(lake: Lake) -> list[Release]:
    """Return every release, the oldest first."""
    rows = read_table(lake, TABLE, RELEASES).sort_by("number").to_pylist()
    return [Release.from_row(row) for row in rows]


def live_release(lake: Lake) -> Release | None:
    """Return the last release published, or None in a lake without releases."""
    return next(reversed(list_releases(lake)), None)


def find_release(lake: Lake, number: int) -> Release:
    """Return the release of that number.

    Raises UserError, which lists the existing numbers, if there is none.
    """
    releases = {release.number: release for release in list_releases(lake)}
    if number not in releases:
        known = (
            f"1 to {max(releases)}" if releases else "none yet; `tonelake index` or `tonelake promote` publishes one"
        )
        raise UserError(f"there is no release {number} in {lake.uri}; there are: {known}")
    return releases[number]


def release_before_live(releases: Sequence[Release]) -> Release | None:
    """Return the release that a rollback goes back to, or None.

    `releases` are all of the lake, in order. As in an undo history, releases that were rolled back from are skipped.
    """
    history: list[int] = []
    for release in releases:
        if release.republishes in history:
            del history[history.index(release.republishes) + 1 :]
        else:
            history.append(release.republishes or release.number)
    return releases[history[-2] - 1] if len(history) > 1 else None


def open_release(lake: Lake, release: Release) -> tuple[Lake, EncoderSpec]:
    """Return the lake pinned to the release's snapshot, and the spec of its version.

    Raises UserError if the snapshot's files were removed.
    """
    wanted = release.snapshot.embedding_version
    spec = next(version.spec for version in list_encoder_versions(lake) if version.embedding_version == wanted)
    if not is_readable(lake, release.snapshot):
        raise UserError(f"the files of {release.title} were removed; `tonelake releases` lists the others")
    return open_snapshot(lake, release.snapshot), spec


def is_readable(lake: Lake, snapshot: Snapshot) -> bool:
    """Return whether a snapshot can still be read.

    The row count is compared too: a table that was removed and made anew counts its versions from 1 again.
    """
    try:
        return bool(open_snapshot(lake, snapshot).table(snapshot.table).count_rows() == snapshot.tracks)
    except ValueError as error:
        if "not found" not in str(error):
            raise
        return False


def is_tagged(lake: Lake, release: Release) -> bool:
    """Return whether a Lance tag protects the release's snapshot from cleanup. Its table must exist."""
    tags = lake.table(release.snapshot.table).tags.list()
    return release.tag in tags and bool(tags[release.tag]["version"] == release.snapshot.lance_version)


def open_snapshot(lake: Lake, snapshot: Snapshot) -> Lake:
    """Return the lake pinned to the snapshot."""
    return lake.pin(snapshot.table, snapshot.lance_version)


def take_snapshot(lake: Lake, spec: EncoderSpec) -> Snapshot:
    """Return a snapshot of the version's table as it is now.

    Raises UserError if the table is missing or empty.
    """
    name = embeddings_table(spec)
    table = lake.find_table(name)
    if table is None or not table.count_rows():
        raise UserError(f"{lake.uri} holds no vectors of {spec.name} {spec.embedding_version}: nothing to publish")
    return snapshot_of(table, spec)


def snapshot_of(table: lance.LanceDataset, spec: EncoderSpec) -> Snapshot:
    """Return the snapshot of an open embeddings table of the version `spec`."""
    return Snapshot(spec.name, spec.embedding_version, embeddings_table(spec), table.version, table.count_rows())
