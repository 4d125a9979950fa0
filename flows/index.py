"""The main job: sources -> registry -> plan -> decode and encode on Ray -> commits -> indexes -> coverage."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from flows.embed import Job, embed_pending, shards, verify
from flows.progress import Watch
from flows.reports import IndexReport, IndexRequest, Tally
from lake.connect import Lake
from lake.index import tend
from lake.lease import Lease
from lake.plan import active_tracks, coverage, plan, quarantined_tracks, register
from lake.releases import live, publish_again
from lake.runs import RunRecord, new_run_id
from lake.sources import Listing, list_sources, refreshed
from lake.versions import remember
from lake.write import Committer
from schemas.encoders import EncoderSpec
from schemas.releases import Release
from schemas.settings import Settings
from schemas.tables import embeddings_table
from workers.encoders.registry import runnable

Step = Callable[[Callable[..., Any]], Callable[..., Any]]


def index_catalogue(
    request: IndexRequest, settings: Settings, watch: Watch, step: Step = lambda do: do, *, publishes: bool = True
) -> list[IndexReport]:
    """Embeds what is not embedded yet by each of the settings' encoders, decoding every file once; a report each.

    `step` wraps each step: Prefect's `task` records it; by default nothing is. A lake beside the catalogue, of a
    benchmark or a training, publishes no releases.
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
        reports = [_finished(job, lake, new, listing.skipped, started, step) for job in jobs]
        if publishes:
            step(_published)(lake, jobs, watch)
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


def _finished(job: Job, lake: Lake, new: int, skipped: int, started: float, step: Step) -> IndexReport:
    verify(job.tally, job.committer)
    job.committer.verify()
    step(tend)(lake, job.spec)
    report = IndexReport.of(job.run_id, job.spec, job.found, job.tally, new, skipped, time.monotonic() - started)
    job.record.done(asdict(report))
    return report


def _published(lake: Lake, jobs: list[Job], watch: Watch) -> None:
    """What was written is live now where it may be; else one line says how it can be."""
    publish_again(lake, {job.run_id: job.spec for job in jobs}, "index", watch.say)
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
        return list_sources(list(request.sources), settings.s3)
    ids = {track for spec in specs for track in quarantined_tracks(lake, spec)["track_id"].to_pylist()}
    tracks = active_tracks(lake)
    tracks = tracks.filter(pc.is_in(tracks["track_id"], pa.array(sorted(ids), pa.string())))
    return Listing(refreshed(tracks, settings.s3), 0)
