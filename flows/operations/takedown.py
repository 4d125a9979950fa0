"""A takedown: erase tracks everywhere, and refuse them from then on."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import lance

from flows.export.rebuild import rebuild_export
from lake.catalogue.runs import RunRecord, new_run_id
from lake.catalogue.track_names import is_beginning, is_full_id, matching_tracks, only_match
from lake.export.log import list_exports
from lake.maintenance import cleanup
from lake.releases import releases, retention
from lake.storage.filters import in_clause, select_in
from lake.storage.lake import Lake, LeaseCheck
from lake.takedowns import takedowns
from lake.takedowns.erase import RowEraser, erased_from
from schemas import clock
from schemas.errors import UserError
from schemas.log import Log
from schemas.settings import Settings
from schemas.takedowns import RebuiltRelease, Receipt


@dataclass(frozen=True, slots=True)
class TakedownRequest:
    """The track_ids to remove; none finishes a takedown that was killed.

    With `content` their bytes are refused under any other id too. With `retire` all releases but the newest of each
    encoder version are dropped, instead of rebuilt one by one.
    """

    tracks: tuple[str, ...] = ()
    content: bool = False
    retire: bool = False
    reason: str | None = None


def take_down(request: TakedownRequest, settings: Settings, log: Log) -> Receipt:
    """Remove tracks for good, verify that nothing is left, and rebuild the exports.

    After a kill, the same call or one without tracks finishes the takedown. A call without tracks also retries the
    exports that could not be reached. Raises UserError if a track is unknown or if somebody is writing to the lake.
    """
    lake = Lake.at(settings.lake, settings.s3)
    lake.require_table_names()
    run_id = new_run_id()
    before = takedowns.read_blocklist(lake)
    only_exports_left = bool(before.tracks) and not before.unfinished_run and bool(list_exports(lake))
    with ExitStack() as run:
        if request.tracks or not only_exports_left:
            with cleanup.exclusive_access(cleanup.list_lakes(lake), run_id, log) as check:
                retention.repair_tags(lake)
                receipt = _start(lake, request, run_id, log)
                record = run.enter_context(RunRecord(lake, run_id, "takedown", None, {"reason": request.reason}))
                _remove(lake, request, receipt, check, log)
        else:
            receipt = Receipt(run_id, lake.uri, (), (), None)
            record = run.enter_context(RunRecord(lake, run_id, "takedown", None, {}))
        receipt.exports = [rebuild_export(lake, settings, export, log) for export in list_exports(lake)]
        takedowns.finish_takedown(lake, run_id)
        receipt.finished_at = f"{clock.now():%Y-%m-%dT%H:%M:%SZ}"
        record.finish(receipt.to_json())
    return receipt


def resolve_tracks(names: Sequence[str], settings: Settings, log: Log) -> tuple[str, ...]:
    """Return the ids of the tracks to remove; log what is not a whole id.

    A name is a track_id, a beginning of at least 8 digits that no other id has, or the path of a file; a title is
    none, because another track may get it tomorrow. A name without a track stays as it is: earlier releases may hold
    it. Raises UserError if a name means several tracks.
    """
    lake = Lake.at(settings.lake, settings.s3)
    lake.require_table_names()
    registry = lake.table("tracks")
    removed = takedowns.read_blocklist(lake).tracks  # a killed takedown is finished by the same command
    known = {*removed, *select_in(registry, "track_id", names, ["track_id"])["track_id"].to_pylist()}
    track_ids = []
    for name in names:
        if name in known or is_full_id(name):
            track_ids.append(name)
            continue
        earlier = {track: "taken down" for track in removed if is_beginning(name, track)}
        matches = earlier | matching_tracks(lake, name)
        track_ids.append(only_match(name, matches) if matches else name)
        if matches:
            log(f"{name} is {track_ids[-1]} ({matches[track_ids[-1]]})")
    return tuple(dict.fromkeys(track_ids))


def _start(lake: Lake, request: TakedownRequest, run_id: str, log: Log) -> Receipt:
    """Record what is refused from now on, including what a killed takedown left unfinished."""
    before = takedowns.read_blocklist(lake)
    tracks, contents, reason = set(request.tracks), set[str](), request.reason
    if before.unfinished_run:
        unfinished = takedowns.read_takedown(lake, before.unfinished_run)
        tracks.update(unfinished.tracks)
        contents.update(unfinished.contents)
        reason = reason or unfinished.reason
    if not tracks:
        raise UserError("take down which tracks? Give their TRACK_IDs; `tonelake search` prints them")
    known = takedowns.track_contents(lake, "track_id", tracks)
    known_tracks = {track for track, _ in known}
    registered = lake.table("tracks").to_table(columns=["track_id"], filter=in_clause("track_id", sorted(tracks)))
    unknown = tracks - before.tracks - known_tracks - {*registered["track_id"].to_pylist()}
    if unknown:
        raise UserError(f"{lake.uri} has no track {min(unknown)}; nothing was removed: a takedown takes ids and paths")
    if request.content:
        contents |= {content for _, content in known}
        for track in sorted(tracks - known_tracks):
            log(f"{track}: its content is not known, so only its id is refused")
    # After a kill too: since then, a refused content may have come to another track.
    tracks |= {track for track, _ in takedowns.track_contents(lake, "content_sha256", contents)}
    takedowns.add_takedown(lake, tracks, contents, run_id, reason)
    return Receipt(run_id, lake.uri, tuple(sorted(tracks)), tuple(sorted(contents)), reason)


def _remove(lake: Lake, request: TakedownRequest, receipt: Receipt, check: LeaseCheck, log: Log) -> None:
    """Erase the rows from every table, then verify that nothing is left.

    `check` fails if this takedown stood still and another run wrote meanwhile, perhaps into a table that had been
    erased already.
    """
    if request.retire:
        receipt.releases += _drop_old_releases(lake)
    erasers = []
    for part in cleanup.list_lakes(lake):
        for eraser in _make_erasers(part, receipt):
            _erase(part, eraser, receipt, log)
            erasers.append(eraser)
    for part in cleanup.list_lakes(lake):
        cleanup.remove_garbage(part)
    check()
    _verify(lake, erasers, receipt)


def _drop_old_releases(lake: Lake) -> list[RebuiltRelease]:
    numbers = retention.drop_old_releases(lake, 1)
    dropped = [release for release in releases.list_releases(lake) if release.number in numbers]
    return [
        RebuiltRelease(release.number, release.snapshot.lance_version, None, release.snapshot.tracks)
        for release in dropped
    ]


def _make_erasers(lake: Lake, receipt: Receipt) -> list[RowEraser]:
    """Return an eraser for every table of one lake that has rows about tracks.

    From tables about contents, only contents are erased that no other track refers to. A lake of a benchmark has ids
    of its own: there the contents name the tracks.
    """
    tracks = {*receipt.tracks}
    if lake.uri != receipt.lake:
        tracks |= {track for track, _ in takedowns.track_contents(lake, "content_sha256", receipt.contents)}
    erasers = []
    for name in sorted(lake.table_names() - takedowns.KEPT_TABLES):
        table = lake.table(name)
        columns = table.schema.names
        if "content_sha256" in columns and "track_id" not in columns:
            contents = erased_from(lake, name, "content_sha256")
            unreferenced = takedowns.unreferenced_contents(lake, contents, tracks).to_pylist()
            erasers.append(RowEraser(lake, name, "content_sha256", unreferenced))
        elif "track_id" in columns:
            erasers.append(RowEraser(lake, name, "track_id", tracks, include_deleted=bool(receipt.contents)))
    return erasers


def _erase(lake: Lake, eraser: RowEraser, receipt: Receipt, log: Log) -> None:
    """Erase the rows of one table, and point its releases to the rebuilt versions."""
    log(f"{eraser.name} ...")
    of_table = [release for release in releases.list_releases(lake) if release.snapshot.table == eraser.name]
    kept = {release.snapshot.lance_version for release in of_table if releases.is_tagged(lake, release)}
    live = releases.live_release(lake)
    live_version = live.snapshot.lance_version if live and live in of_table else None

    def repoint(version: int, table: lance.LanceDataset) -> None:
        for release in retention.repoint_releases(lake, eraser.name, version, table):
            receipt.releases.append(RebuiltRelease(release.number, version, table.version, table.count_rows()))

    if record := eraser.erase(kept, live_version, repoint):
        receipt.tables.append(record)


def _verify(lake: Lake, erasers: list[RowEraser], receipt: Receipt) -> None:
    """Search every remaining version and file in the store for the erased rows."""
    for eraser in erasers:
        versions, rows = eraser.count_left()
        receipt.versions_examined += versions
        receipt.rows_left += rows
    files = lake.file_system()
    receipt.files_left += [path for table in receipt.tables for path in table.files if files.exists(path)]
