"""The main job: sources -> registry -> plan -> decode and encode on Ray -> commits -> indexes -> coverage."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from flows.console.progress import Watch
from flows.ingest.cost import Bill
from flows.ingest.embed import Job, embed_pending, shards, verify
from flows.ingest.report import IndexReport, IndexRequest, Tally
from lake.catalogue.encoders import remember
from lake.catalogue.identity import identified, remember_moves
from lake.catalogue.plan import coverage, plan, quarantined_tracks
from lake.catalogue.runs import RunRecord, new_run_id
from lake.catalogue.sources import remember_sources
from lake.catalogue.tracks import active_tracks, register
from lake.embeddings.committer import Committer
from lake.embeddings.indexes import tend
from lake.embeddings.sync import describe
from lake.releases.releases import live, publish_again
from lake.sources.listing import Listing, list_sources, refreshed
from lake.storage.lake import Lake
from lake.storage.lease import Lease
from lake.takedowns.takedowns import admitted, require_finished
from schemas.encoders import EncoderSpec
from schemas.releases import Release
from schemas.settings import Settings
from schemas.tables import embeddings_table
from workers.encoders.base.registration import Entry
from workers.encoders.registry import runnable

Step = Callable[[Callable[..., Any]], Callable[..., Any]]


def index_catalogue(
    request: IndexRequest, settings: Settings, watch: Watch, step: Step = lambda do: do, *, main: Lake | None = None
) -> list[IndexReport]:
    """Embeds what is not embedded yet by each of the settings' encoders, decoding every file once; a report each.

    `step` wraps each step: Prefect's `task` records it; by default nothing is. The lake of a benchmark or a training,
    which lies beside the tables of `main`, publishes no releases, and refuses what either of the two refuses.
    """
    started = time.monotonic()
    entries = [runnable(name, settings) for name in settings.encoders]
    specs = [entry.spec.limited(request.windows) for entry in entries]
    lake = Lake.at(settings.lake, settings.s3)
    listing = step(_listing)(request, lake, specs, settings)
    prepare(entries, settings, watch, step)
    with ExitStack() as held:
        jobs = [held.enter_context(_job(lake, spec, request, settings, watch, main)) for spec in specs]
        held.enter_context(watch)
        remember_sources(lake, listing.found, listed=False)
        tracks, moves = (listing.tracks, {}) if request.retry else identified(lake, listing)
        remember_moves(lake, moves)
        tracks = admitted(tracks, jobs[0].refused)
        if refusals := len(listing.tracks) - len(tracks):
            watch.say(f"{refusals:,} tracks were taken down by `tonelake forget` and are not taken in")
        new = 0
        for shard in shards(tracks, settings.shard_tracks):
            registered, fresh = step(register)(lake, shard)
            new += fresh
            embed_shard(jobs, lake, registered, settings, watch, step, retry_quarantined=request.retry)
        counts = {"new": new, "skipped": listing.skipped}
        reports = finished(jobs, lake, counts, started, step, settings)
        if main is None:
            step(published)(lake, jobs, "index", watch)
    if not any(job.tally.asked for job in jobs):
        watch.say("everything is up to date")
    return reports


def prepare(entries: Iterable[Entry], settings: Settings, watch: Watch, step: Step) -> None:
    """Fetches what workers need to load them, and says under which licence where that binds."""
    for entry in entries:
        step(entry.prepare)(settings.models)
        if entry.notice:
            watch.say(entry.notice)


@contextmanager
def _job(
    lake: Lake, spec: EncoderSpec, request: IndexRequest, settings: Settings, watch: Watch, main: Lake | None
) -> Iterator[Job]:
    """One encoder's run: the lease of its table, and its row in the book of runs."""
    run_id = new_run_id()
    with (
        Lease(lake, embeddings_table(spec), run_id, watch.say) as lease,
        RunRecord(lake, run_id, "index", spec, asdict(request)) as record,
    ):
        yield begun(lake, spec, run_id, lease, record, settings, request.limit, main)


def begun(
    lake: Lake,
    spec: EncoderSpec,
    run_id: str,
    lease: Lease,
    record: RunRecord,
    settings: Settings,
    limit: int | None = None,
    main: Lake | None = None,
) -> Job:
    """A job under its lease: from here on the lake knows its version. UserError while a takedown is not finished."""
    refused = require_finished(*filter(None, (lake, main)))
    remember(lake, spec)
    return Job(run_id, spec, lease, Committer(lake, spec, lease, run_id, settings), record, Tally(limit), refused)


def embed_shard(
    jobs: list[Job],
    lake: Lake,
    tracks: pa.Table,
    settings: Settings,
    watch: Watch,
    step: Step,
    *,
    retry_quarantined: bool = False,
) -> None:
    """Registry rows of one shard: what is said of them reaches their rows, and what has no row is embedded."""
    for job in jobs:
        step(describe)(lake, job.spec, job.lease, tracks)
    plans = [step(plan)(lake, job.spec, tracks, retry_quarantined=retry_quarantined) for job in jobs]
    step(embed_pending)(jobs, plans, settings, watch)
    for job, state in zip(jobs, plans, strict=True):
        job.found += coverage(step(plan)(lake, job.spec, tracks) if len(state.pending) else state)


def finished(
    jobs: list[Job], lake: Lake, counts: dict[str, int], started: float, step: Step, settings: Settings
) -> list[IndexReport]:
    """Ends the jobs: the counts agree, tables are tended, each run is in the book with `counts` and its bill."""
    for job in jobs:
        verify(job.tally, job.committer)
        job.committer.verify()
        step(tend)(lake, job.spec)
    names, wall = tuple(job.spec.name for job in jobs), time.monotonic() - started
    return [_reported(job, names, counts, wall, settings) for job in jobs]


def _reported(
    job: Job, names: tuple[str, ...], counts: dict[str, int], wall: float, settings: Settings
) -> IndexReport:
    bill = Bill.of(names, wall, job.tally.held, job.committer.bytes_written, settings)
    report = IndexReport.of(job.run_id, job.spec, job.found, job.tally, counts["new"], counts["skipped"], bill)
    job.record.done(counts | asdict(report))
    return report


def published(lake: Lake, jobs: list[Job], command: str, watch: Watch) -> None:
    """What was written is live now where it may be; else one line says how it can be."""
    publish_again(lake, {job.run_id: job.spec for job in jobs}, command, watch.say)
    released = live(lake)
    for job in jobs:
        spec = job.spec
        if job.tally.embedded and not _is_of(released, spec):
            live_now = f"beside {released.title}, which is live" if released else "not live, as others are here too"
            watch.say(f"{spec.name}: {live_now}; `tonelake promote {spec.embedding_version}` judges and publishes it")


def _is_of(released: Release | None, spec: EncoderSpec) -> bool:
    return released is not None and released.snapshot.embedding_version == spec.embedding_version


def _listing(request: IndexRequest, lake: Lake, specs: list[EncoderSpec], settings: Settings) -> Listing:
    if not request.retry:
        return list_sources(list(request.sources), settings.s3, settings.allow_outside)
    ids = {track for spec in specs for track in quarantined_tracks(lake, spec)["track_id"].to_pylist()}
    tracks = active_tracks(lake)
    tracks = tracks.filter(pc.is_in(tracks["track_id"], pa.array(sorted(ids), pa.string())))
    return Listing(refreshed(tracks, settings.s3), 0, {})
