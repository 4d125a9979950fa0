"""The snapshot of an encoder version that an export reads."""

from dataclasses import dataclass
from typing import Any

from flows.search.version import resolve_version
from lake.releases.releases import find_release, is_readable, list_releases, take_snapshot
from lake.storage.lake import Lake
from schemas import clock
from schemas.encoders import EncoderSpec
from schemas.errors import UserError
from schemas.exports import Export
from schemas.releases import Snapshot
from schemas.settings import Settings


@dataclass(frozen=True, slots=True)
class ExportSource:
    """A snapshot of one encoder version; `release` is its number, if it has one."""

    lake: Lake
    spec: EncoderSpec
    snapshot: Snapshot
    release: int | None

    def require_current(self) -> None:
        """Raise UserError if a takedown rebuilt the snapshot meanwhile.

        Such a takedown does not know of an export that is not yet recorded.
        """
        if not is_readable(self.lake, self.snapshot):
            raise UserError(f"{self.snapshot.table} was rebuilt meanwhile: run the same command again")
        if self.release and find_release(self.lake, self.release).snapshot != self.snapshot:
            raise UserError(f"release {self.release} was rebuilt meanwhile: run the same command again")

    def log_entry(self, uri: str, plan: dict[str, Any], run_id: str) -> Export:
        """Return the row for the export log, without `tracks`: the export is not complete."""
        return Export(
            uri=uri,
            release=self.release,
            since=plan["since"],
            format=plan["format"],
            encoder=self.spec.name,
            embedding_version=self.spec.embedding_version,
            run_id=run_id,
            at=clock.now(),
            k=plan.get("k"),
            available_on=plan["available_on"],
            territory=plan["territory"],
        )


def resolve_source(settings: Settings, embedding_version: str | None, release: int | None) -> ExportSource:
    """Resolve which snapshot to export, in the same order as `resolve_version`.

    The current table of a version is pinned as it is now. Raises UserError if none or several versions match, or if
    the version has no rows.
    """
    reader = resolve_version(settings, embedding_version, release)
    lake = Lake.at(settings.lake, settings.s3)
    for candidate in reversed(list_releases(lake)):
        snapshot = candidate.snapshot
        is_pinned = (snapshot.table, snapshot.lance_version) in reader.lake.pins
        if is_pinned and release in (None, candidate.number):
            return ExportSource(lake, reader.spec, snapshot, candidate.number)
    return ExportSource(lake, reader.spec, take_snapshot(lake, reader.spec), None)
