"""A takedown: tracks leave every table, version, release, index and export, and are refused from then on."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import lance

from flows.export.rebuild import again
from lake.catalogue import audio_facts as facts
from lake.catalogue.runs import RunRecord, new_run_id
from lake.export.log import exports
from lake.maintenance import cleanup as tidy
from lake.releases import releases
from lake.releases.releases import Say
from lake.storage.filters import among
from lake.storage.lake import Lake
from lake.storage.lease import SWEEP, Lease
from lake.takedowns import takedowns
from lake.takedowns.erase import Scrub
from schemas.errors import UserError
from schemas.settings import Settings
from schemas.takedowns import Rebuilt, Receipt

NEEDED = frozenset({takedowns.TABLE, "moves"})  # they hold ids alone, by which a refused track is known


@dataclass(frozen=True, slots=True)
class ForgetRequest:
    """`tracks` by id; none finishes a takedown that was killed. `content`: their bytes are refused under any id.

    `retire` gives up all releases but the newest of each encoder version, instead of making each anew.
    """

    tracks: tuple[str, ...] = ()
    content: bool = False
    retire: bool = False
    reason: str | None = None


def forget(request: ForgetRequest, settings: Settings, say: Say) -> Receipt:
    """Removes them, looks again, and writes every export anew that held them. Killed on its way, the same call, or one
    without tracks, finishes it; without tracks it also tries again to reach exports that were out of reach.

    UserError where a track is not known, or where somebody writes into the lake.
    """
    lake = Lake.at(settings.lake, settings.s3)
    lake.required_names()
    run_id = new_run_id()
    before = takedowns.refused(lake)
    with ExitStack() as run:
        if request.tracks or before.unfinished or not (before.tracks and exports(lake)):
            with _alone(lake, run_id, say):
                releases.follow_tags(lake)
                receipt = _begun(lake, request, run_id, say)
                record = run.enter_context(RunRecord(lake, run_id, "forget", None, {"reason": request.reason}))
                _remove(lake, request, receipt, say)
        else:
            receipt = Receipt(run_id, lake.uri, (), (), None)
            record = run.enter_context(RunRecord(lake, run_id, "forget", None, {}))
        receipt.exports = [again(lake, settings, one, say) for one in exports(lake)]
        takedowns.finish(lake, run_id)
        receipt.finished_at = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
        record.done(receipt.as_dict())
    return receipt


@contextmanager
def _alone(lake: Lake, run_id: str, say: Say) -> Iterator[None]:
    """Nobody else writes into the lake or into those beside it: UserError says who does."""
    with ExitStack() as held:
        for one in tidy.lakes(lake):
            for name in (SWEEP, *tidy.writers(one)):
                held.enter_context(Lease(one, name, run_id, say))
        yield


def _remove(lake: Lake, request: ForgetRequest, receipt: Receipt, say: Say) -> None:
    """From every table, and looks again."""
    if request.retire:
        receipt.releases += _retired(lake)
    scrubs = [scrub for one in tidy.lakes(lake) for scrub in _scrubbed(one, receipt, say)]
    for one in tidy.lakes(lake):
        tidy.sweep(one)
    _examine(lake, scrubs, receipt)


def _begun(lake: Lake, request: ForgetRequest, run_id: str, say: Say) -> Receipt:
    """Writes down what is refused from now on, with what a killed takedown left to do."""
    before = takedowns.refused(lake)
    left = takedowns.of_run(lake, before.unfinished) if before.unfinished else ([], [], None)
    tracks, contents = {*request.tracks, *left[0]}, set(left[1])
    if not tracks:
        raise UserError("forget which tracks? Give their TRACK_IDs; `tonelake search` prints them")
    known = takedowns.pairs(lake, "track_id", tracks)
    registered = lake.table("tracks").to_table(columns=["track_id"], filter=among("track_id", sorted(tracks)))
    strangers = tracks - before.tracks - {track for track, _ in known} - {*registered["track_id"].to_pylist()}
    if strangers:
        raise UserError(f"{lake.uri} has no track {min(strangers)}; nothing was removed")
    if request.content:
        contents |= {content for _, content in known}
        tracks |= {track for track, _ in takedowns.pairs(lake, "content_sha256", contents)}
        for track in sorted(tracks - {track for track, _ in known}):
            say(f"{track}: its content is not known, so only its id is refused")
    reason = request.reason or left[2]
    takedowns.write_down(lake, tracks, contents, run_id, reason)
    return Receipt(run_id, lake.uri, tuple(sorted(tracks)), tuple(sorted(contents)), reason)


def _retired(lake: Lake) -> list[Rebuilt]:
    numbers = releases.retire(lake, 1)
    given_up = [one for one in releases.releases(lake) if one.number in numbers]
    return [Rebuilt(one.number, one.snapshot.lance_version, None, one.snapshot.tracks) for one in given_up]


def _scrubbed(lake: Lake, receipt: Receipt, say: Say) -> list[Scrub]:
    """Removes the rows from every table of one lake, and facts of audio that no row names then."""
    tracks = {*receipt.tracks, *(track for track, _ in takedowns.pairs(lake, "content_sha256", receipt.contents))}
    scrubs = []
    for name in sorted(name for name in lake.names() - NEEDED if tidy.is_table(lake, name)):
        if name == facts.TABLE:
            known = lake.table(name).to_table(columns=["content_sha256"])["content_sha256"]
            scrubs.append(Scrub(lake, name, "content_sha256", takedowns.unnamed(lake, known, tracks).to_pylist()))
        elif "track_id" in lake.table(name).schema.names:
            scrubs.append(Scrub(lake, name, "track_id", tracks, hidden=bool(receipt.contents)))
    return [_scrub(lake, scrub, receipt, say) for scrub in scrubs]


def _scrub(lake: Lake, scrub: Scrub, receipt: Receipt, say: Say) -> Scrub:
    """One table, with the releases that are of it."""
    say(f"{scrub.name} ...")
    there = [one for one in releases.releases(lake) if one.snapshot.table == scrub.name]
    kept = {one.snapshot.lance_version for one in there if releases.is_kept(lake, one)}
    live = next((one.snapshot.lance_version for one in there[-1:] if one == releases.live(lake)), None)

    def succeed(version: int, table: lance.LanceDataset) -> None:
        for one in releases.succeed(lake, scrub.name, version, table):
            receipt.releases.append(Rebuilt(one.number, version, table.version, table.count_rows()))

    if done := scrub.remove(kept, live, succeed):
        receipt.tables.append(done)
    return scrub


def _examine(lake: Lake, scrubs: list[Scrub], receipt: Receipt) -> None:
    """Looks into all that is left, as it lies in the store."""
    for scrub in scrubs:
        versions, rows = scrub.left()
        receipt.versions_examined += versions
        receipt.rows_left += rows
    files = lake.files()
    receipt.files_left += [path for table in receipt.tables for path in table.files if files.exists(path)]
