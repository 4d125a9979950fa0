"""Exports written anew in their places, after a takedown has changed what their releases hold."""

from flows.export.export import ExportRequest, export
from flows.export.neighbours import Neighbours, similar
from lake.catalogue.encoders import choose
from lake.export.folder import Folder
from lake.export.log import drop, out_of_reach
from lake.export.neighbours import File
from lake.releases.releases import Say, is_there, release
from lake.storage.lake import Lake
from schemas.errors import UserError
from schemas.exports import SIMILAR, Export, Rewritten
from schemas.redaction import redacted
from schemas.settings import Settings
from schemas.tables import embeddings_table


def again(lake: Lake, settings: Settings, recorded: Export, say: Say) -> Rewritten:
    """Writes a recorded export anew in its place, from its release as that is now; says what became of it.

    Where the release was retired nothing can be written in its place: the export is removed. One that its owner
    deleted is dropped from the book; one that cannot be reached or written stays there, for another try.
    """
    from botocore.exceptions import BotoCoreError  # what s3fs lets through where no store answers

    if reason := out_of_reach(recorded):
        return Rewritten(recorded.uri, "out of reach", reason)
    try:
        state, message = _again(lake, settings, recorded, say)
    except (UserError, OSError, BotoCoreError) as error:
        return Rewritten(recorded.uri, "out of reach", redacted(str(error)))
    if state in ("gone", "removed"):
        drop(lake, recorded.uri)
    return Rewritten(recorded.uri, state, message)


def _again(lake: Lake, settings: Settings, recorded: Export, say: Say) -> tuple[str, str]:
    place = File.at(recorded.uri, settings.s3) if recorded.format == SIMILAR else Folder.at(recorded.uri, settings.s3)
    if not place.is_begun():
        return "gone", "no export is there any more: its owner deleted it, or moved it where nobody is told of"
    _require_own(lake, place, settings)
    needed = [release(lake, number) for number in (recorded.release, recorded.since) if number]
    retired = [one.title for one in needed if not is_there(lake, one.snapshot)]
    if retired or not (recorded.release or _holds(lake, recorded.embedding_version)):
        place.remove()
        why = f"the files of {' and '.join(retired)} were given up" if retired else "the lake holds nothing of it now"
        return "removed", why
    version = None if recorded.release else recorded.embedding_version
    if recorded.format == SIMILAR:
        done = similar(Neighbours(recorded.uri, recorded.k, recorded.release, version), settings, say, replaces=True)
    else:
        request = ExportRequest(recorded.uri, recorded.release, recorded.since, recorded.format, version)
        done = export(request, settings, say, replaces=True)
    return ("written anew", f"{done['tracks']:,} tracks") if done["done"] else ("unchanged", "it holds the same still")


def _require_own(lake: Lake, place: Folder | File, settings: Settings) -> None:
    """UserError where the book is a copy, or a stranger's, and what is there is another lake's: not ours to touch.

    A lake that was moved has exports of the place where it was.
    """
    other = (place.plan() or {}).get("lake", lake.uri)
    if other != lake.uri and "tracks" in Lake.at(other, settings.s3).names():
        raise UserError(f"what is there is an export of the lake {other}")


def _holds(lake: Lake, embedding_version: str) -> bool:
    """Whether the version's table has rows still."""
    name = embeddings_table(choose(lake, "", embedding_version).spec)
    return name in lake.names() and lake.table(name).count_rows() > 0
