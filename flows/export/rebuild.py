"""Rebuild recorded exports after a takedown has changed their releases."""

from dataclasses import asdict

from flows.export.export import ExportRequest, write_export
from flows.export.source import ExportSource, resolve_source
from lake.catalogue.encoders import choose_encoder_version
from lake.export.folder import ExportFolder
from lake.export.log import drop_export, unreachable_reason
from lake.export.old_neighbours import OldNeighboursFile
from lake.releases.releases import find_release, is_readable
from lake.storage.lake import Lake
from schemas.errors import UserError
from schemas.exports import NEIGHBOURS, SIMILAR, Export, RebuiltExport
from schemas.log import Log
from schemas.redaction import redact
from schemas.settings import Settings
from schemas.tables import embeddings_table


def rebuild_export(lake: Lake, settings: Settings, recorded: Export, log: Log) -> RebuiltExport:
    """Write a recorded export again, in place, from its release as it is now.

    If the files of its release were dropped, the export cannot be written and is removed. An export that its owner
    deleted is dropped from the log. One that cannot be reached or written stays in the log, for another try.
    """
    from botocore.exceptions import BotoCoreError  # s3fs lets it through if no store answers

    if reason := unreachable_reason(recorded):
        return RebuiltExport(recorded.uri, "out of reach", reason)
    try:
        state, message = _rebuild(lake, settings, recorded, log)
    except (UserError, OSError, BotoCoreError) as error:
        return RebuiltExport(recorded.uri, "out of reach", redact(str(error)))
    if state in ("gone", "removed"):
        drop_export(lake, recorded.uri)
    return RebuiltExport(recorded.uri, state, message)


def _rebuild(lake: Lake, settings: Settings, recorded: Export, log: Log) -> tuple[str, str]:
    """Rebuild or remove the export; return the new state and a message."""
    existing: OldNeighboursFile | ExportFolder
    if recorded.format == SIMILAR:
        existing = OldNeighboursFile(recorded.uri, settings.s3)
    else:
        existing = ExportFolder.at(recorded.uri, settings.s3)
    if not existing.is_started():
        return "gone", "there is no export any more: its owner deleted or moved it"
    _require_same_lake(lake, existing, settings)
    needed = [find_release(lake, number) for number in (recorded.release, recorded.since) if number]
    dropped = [release.title for release in needed if not is_readable(lake, release.snapshot)]
    if dropped:
        existing.remove()
        return "removed", f"the files of {' and '.join(dropped)} were dropped"
    if recorded.release is None and not _has_rows(lake, recorded.embedding_version):
        existing.remove()
        return "removed", "the lake has no rows of its version any more"
    version = None if recorded.release else recorded.embedding_version
    if isinstance(existing, OldNeighboursFile):
        return _remove_if_outdated(existing, resolve_source(settings, version, recorded.release), recorded)
    request = ExportRequest(
        recorded.uri,
        recorded.release,
        recorded.since,
        recorded.format,
        version,
        recorded.k,
        recorded.available_on,
        recorded.territory,
    )
    result = write_export(request, settings, log, replaces=True)
    if result["done"]:
        return "written anew", f"{result['tracks']:,} tracks"
    return "unchanged", "it still holds the same rows"


def _require_same_lake(lake: Lake, existing: ExportFolder | OldNeighboursFile, settings: Settings) -> None:
    """Raise UserError if the files there are an export of another lake.

    That happens where the log was copied or forged. A lake that was moved is no other lake: its exports name the
    address where it was, and there is no lake any more.
    """
    other = (existing.read_plan() or {}).get("lake", lake.uri)
    if other != lake.uri and Lake.at(other, settings.s3).find_table("tracks") is not None:
        raise UserError(f"the files there are an export of the lake {other}")


def _remove_if_outdated(existing: OldNeighboursFile, source: ExportSource, recorded: Export) -> tuple[str, str]:
    existing.remove_parts()
    if (existing.read_plan() or {}).get("snapshot") == asdict(source.snapshot):
        return "unchanged", "it still holds the same rows"
    existing.remove()
    command = f"tonelake export DIR --format {NEIGHBOURS} -k {recorded.k}"
    return "removed", f"this tonelake writes neighbours into a folder: {command}"


def _has_rows(lake: Lake, embedding_version: str) -> bool:
    name = embeddings_table(choose_encoder_version(lake, "", embedding_version).spec)
    table = lake.find_table(name)
    return table is not None and table.count_rows() > 0
