"""The main job: sources -> registry -> plan -> decode and encode on Ray -> commits -> indexes -> coverage."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from flows.bill import Bill
from flows.embed import Job, embed_pending, shards, verify
from flows.progress import Watch
from flows.reports import IndexReport, IndexRequest, Tally
from lake.connect import Lake
from lake.index import tend
from lake.lease import Lease
from lake.plan import active_tracks, coverage, plan, quarantined_tracks, register
from lake.runs import RunRecord, new_run_id
from lake.sources import Listing, list_sources, refreshed
from lake.versions import remember
from lake.write import Committer
from schemas.encoders import EncoderSpec
from schemas.settings import Settings
from schemas.tables import embeddings_table
from workers.encoders.registry import runnable

Step = Callable[[Callable[..., Any]], Callable[..., Any]]


def index_catalogue(
    request: IndexRequest, settings: Settings, watch: Watch, step: Step = lambda do: do
) -> list[IndexReport]:
    """Embeds what is not embedded yet by each of the settings' encoders, decoding every file once; a report each.

    `step` wraps each step: Prefect's `task` records it; by default nothing is.
    """
    started = time.monotonic()
    entries = [runnable(name, settings) for name in settings.encoders]
    specs = [entry.spec.limited(request.windows) for entry in entries]
    lake = Lake.at(settings.lake, settings.s3)
    listing = step(_listing)(request, lake, specs, settings)
    for entry in entries:
        step(entry.prepare)(settings.models)
        if entry.notice:
            watch.say(entry.notice)
    with ExitStack() as held:
        jobs = [held.enter_context(_job(lake, spec, request, settings, watch)) for spec in specs]
        held.enter_context(watch)
        new = 0
        for shard in shards(listing.tracks, settings.shard_tracks):
            new += step(register)(lake, shard)
            plans = [step(plan)(lake, spec, shard, retry_quarantined=request.retry) for spec in specs]
            step(embed_pending)(jobs, plans, settings, watch)
            for job in jobs:
                job.found += coverage(step(plan)(lake, job.spec, shard))
        for job in jobs:
            _complete(job, lake, step)
        names, wall = tuple(spec.name for spec in specs), time.monotonic() - started
        reports = [_finished(job, names, new, listing.skipped, wall, settings) for job in jobs]
    if not any(job.tally.asked for job in jobs):
        watch.say("everything is up to date")
    return reports


@contextmanager
def _job(lake: Lake, spec: EncoderSpec, request: IndexRequest, settings: Settings, watch: Watch) -> Iterator[Job]:
    """One encoder's run: the lease of its table, and its row in the book of runs."""
    run_id = new_run_id()
    with (
        Lease(lake, embeddings_table(spec), run_id, watch.say) as lease,
        RunRecord(lake, run_id, "index", spec, asdict(request)) as record,
    ):
        remember(lake, spec)
        yield Job(run_id, spec, Committer(lake, spec, lease, run_id, settings), record, Tally(request.limit))


def _complete(job: Job, lake: Lake, step: Step) -> None:
    verify(job.tally, job.committer)
    job.committer.verify()
    step(tend)(lake, job.spec)


def _finished(
    job: Job, names: tuple[str, ...], new: int, skipped: int, wall: float, settings: Settings
) -> IndexReport:
    bill = Bill.of(names, wall, job.tally.held, job.committer.bytes_written, settings)
    report = IndexReport.of(job.run_id, job.spec, job.found, job.tally, new, skipped, bill)
    job.record.done(asdict(report))
    return report


def _listing(request: IndexRequest, lake: Lake, specs: list[EncoderSpec], settings: Settings) -> Listing:
    if not request.retry:
        return list_sources(list(request.sources), settings.s3)
    ids = {track for spec in specs for track in quarantined_tracks(lake, spec)["track_id"].to_pylist()}
    tracks = active_tracks(lake)
    tracks = tracks.filter(pc.is_in(tracks["track_id"], pa.array(sorted(ids), pa.string())))
    return Listing(refreshed(tracks, settings.s3), 0)
