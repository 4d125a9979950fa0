"""The main job, `tonelake index`: list, register, plan, embed on Ray, commit, publish."""

import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from flows.console.progress import ProgressReporter, TaskWrapper, run_directly
from flows.ingest.allowances import list_requested, remember_used
from flows.ingest.cost import Cost
from flows.ingest.embed import IndexJob, embed_pending, shards, verify_tally
from flows.ingest.report import IndexReport, IndexRequest, Tally
from lake.catalogue.descriptions import sync_descriptions
from lake.catalogue.encoders import register_encoder
from lake.catalogue.identity import add_aliases, with_permanent_ids
from lake.catalogue.plan import coverage, make_plan, quarantined_tracks
from lake.catalogue.runs import RunRecord, new_run_id
from lake.catalogue.sources import register_sources
from lake.catalogue.tracks import active_tracks, register_tracks
from lake.embeddings.committer import Committer
from lake.embeddings.indexes import compact_and_index
from lake.embeddings.stale import record_stale
from lake.embeddings.sync import sync_metadata
from lake.releases.publish import publish_if_due
from lake.releases.releases import live_release
from lake.sources.listing import Listing, refresh_file_versions
from lake.storage.lake import Lake, LeaseCheck
from lake.storage.lease import Lease
from lake.takedowns.takedowns import Blocklist, drop_blocked, require_finished
from schemas.encoders import EncoderSpec
from schemas.log import Log
from schemas.settings import Settings
from schemas.tables import embeddings_table
from workers.encoders.base.registration import EncoderRegistration
from workers.encoders.registry import require_runnable


def index_catalogue(
    request: IndexRequest,
    settings: Settings,
    progress: ProgressReporter,
    as_task: TaskWrapper = run_directly,
    *,
    main: Lake | None = None,
) -> list[IndexReport]:
    """Embed the tracks that each of the settings' encoders lacks; return a report per encoder.

    A file is decoded once for all encoders. `as_task` wraps each step, so that Prefect can record it. `main` is given
    for the lake of a benchmark or a training: it publishes no releases, describes no tracks, and refuses tracks that
    were taken down from itself or from the `main` lake.
    """
    started = time.monotonic()
    lake = Lake.at(settings.lake, settings.s3)
    if main is not None:
        settings = settings.model_copy(update={"describe": False})
    encoders = [require_runnable(name, settings) for name in settings.encoders]
    specs = [encoder.spec.with_max_windows(request.max_windows) for encoder in encoders]

    listing = as_task(list_tracks)(request, lake, specs, settings, progress.log)
    if main is None:
        remember_used(listing.outside, settings, progress.log)
    fetch_weights(encoders, settings, progress, as_task)
    with ExitStack() as stack:
        jobs = [stack.enter_context(_open_job(lake, spec, request, settings, progress, main)) for spec in specs]
        stack.enter_context(progress)
        lease = jobs[0].lease  # a takedown takes those of all jobs
        register_sources(lake, listing.track_counts, lease.check, listed=False)
        tracks = listing.tracks if request.retry else _with_permanent_ids(lake, listing, lease.check)
        tracks = _drop_taken_down(tracks, jobs[0].blocklist, progress)
        new = 0
        for shard in shards(tracks, settings.shard_tracks):
            registered, added = as_task(register_tracks)(lake, shard, lease.check)
            new += added
            index_shard(jobs, lake, registered, settings, progress, as_task, retry_quarantined=request.retry)
        counts = {"new": new, "skipped": listing.skipped, "skipped_names": listing.skipped_names}
        reports = finish_jobs(jobs, lake, counts, started, as_task, settings)
        if main is None:
            as_task(publish_if_live)(lake, jobs, "index", progress)

    if not any(job.tally.requested for job in jobs):
        progress.log("nothing to embed: every track is embedded or in quarantine")
    return reports


def list_tracks(request: IndexRequest, lake: Lake, specs: list[EncoderSpec], settings: Settings, log: Log) -> Listing:
    """List the requested sources; with `retry`, the active tracks in quarantine."""
    if not request.retry:
        return list_requested(list(request.sources), settings, log)
    ids = {track for spec in specs for track in quarantined_tracks(lake, spec)["track_id"].to_pylist()}
    tracks = active_tracks(lake)
    tracks = tracks.filter(pc.is_in(tracks["track_id"], pa.array(sorted(ids), pa.string())))
    return Listing(refresh_file_versions(tracks, settings.s3), 0, {})


def fetch_weights(
    encoders: Iterable[EncoderRegistration], settings: Settings, progress: ProgressReporter, as_task: TaskWrapper
) -> None:
    """Fetch the weights that workers load; log a licence that binds the user."""
    for encoder in encoders:
        as_task(encoder.fetch_weights)(settings.models)
        for notice in encoder.notices:
            progress.log(notice)


@contextmanager
def _open_job(
    lake: Lake,
    spec: EncoderSpec,
    request: IndexRequest,
    settings: Settings,
    progress: ProgressReporter,
    main: Lake | None,
) -> Iterator[IndexJob]:
    """Open a job: hold the lease of its table, keep its row in `runs`."""
    run_id = new_run_id()
    with (
        Lease(lake, embeddings_table(spec), run_id, progress.log) as lease,
        RunRecord(lake, run_id, "index", spec, asdict(request)) as record,
    ):
        yield start_job(lake, spec, run_id, lease, record, settings, request.limit, main)


def start_job(
    lake: Lake,
    spec: EncoderSpec,
    run_id: str,
    lease: Lease,
    record: RunRecord,
    settings: Settings,
    limit: int | None = None,
    main: Lake | None = None,
) -> IndexJob:
    """Create the job of one encoder, and register the encoder in the lake.

    Raises UserError while a takedown is unfinished in the lake or in the `main` one.
    """
    blocklist = require_finished(*filter(None, (lake, main)))
    register_encoder(lake, spec)
    committer = Committer(lake, spec, lease, run_id, settings)
    return IndexJob(run_id, spec, lease, committer, record, Tally(limit), blocklist)


def _with_permanent_ids(lake: Lake, listing: Listing, check: LeaseCheck) -> pa.Table:
    """Return the listed tracks under the ids that they keep when their files move."""
    tracks, aliases = with_permanent_ids(lake, listing)
    add_aliases(lake, aliases, check)
    return tracks


def _drop_taken_down(tracks: pa.Table, blocklist: Blocklist, progress: ProgressReporter) -> pa.Table:
    remaining = drop_blocked(tracks, blocklist)
    if dropped := len(tracks) - len(remaining):
        progress.log(f"{dropped:,} tracks were taken down by `tonelake takedown` and are not indexed")
    return remaining


def index_shard(
    jobs: list[IndexJob],
    lake: Lake,
    tracks: pa.Table,
    settings: Settings,
    progress: ProgressReporter,
    as_task: TaskWrapper,
    *,
    retry_quarantined: bool = False,
) -> None:
    """Process one shard: update the metadata of embedded tracks, embed the pending ones."""
    for job in jobs:
        as_task(sync_metadata)(lake, job.spec, job.lease, tracks)
    plans = [as_task(make_plan)(lake, job.spec, tracks, retry_quarantined=retry_quarantined) for job in jobs]
    as_task(embed_pending)(jobs, plans, settings, progress)
    for job, before in zip(jobs, plans, strict=True):
        job.coverage += coverage(as_task(make_plan)(lake, job.spec, tracks) if len(before.pending) else before)


def finish_jobs(
    jobs: list[IndexJob],
    lake: Lake,
    counts: dict[str, Any],
    started: float,
    as_task: TaskWrapper,
    settings: Settings,
) -> list[IndexReport]:
    """Verify the counts, update the indexes, and record each run with its report.

    `counts` are those of the sources, `new` and `skipped` among them; they are recorded too, as is what else it has.
    """
    for job in jobs:
        verify_tally(job.tally, job.committer)
        job.committer.verify()
        as_task(sync_descriptions)(lake, job.spec, job.lease)
        as_task(compact_and_index)(lake, job.spec)
    wall_seconds = time.monotonic() - started
    names = tuple(job.spec.name for job in jobs)
    reports = []
    for job in jobs:
        cost = Cost.of(names, wall_seconds, job.tally.reserved, job.committer.bytes_written, settings)
        searchable = as_task(record_stale)(lake, job.spec, job.lease)
        report = IndexReport.of(
            job.run_id, job.spec, job.coverage, searchable, job.tally, counts["new"], counts["skipped"], cost
        )
        job.record.finish(counts | report.to_json())
        reports.append(report)
    return reports


def publish_if_live(lake: Lake, jobs: list[IndexJob], command: str, progress: ProgressReporter) -> None:
    """Publish a new release if a job wrote the live version.

    For other versions that were written, log how to publish them.
    """
    publish_if_due(lake, {job.run_id: job.spec for job in jobs}, command, progress.log)
    live = live_release(lake)
    for job in jobs:
        version = job.spec.embedding_version
        is_live = live is not None and live.snapshot.embedding_version == version
        if job.tally.embedded and not is_live:
            state = (
                f"beside {live.title}, which is live" if live else "not live, because the lake holds other versions"
            )
            progress.log(f"{job.spec.name}: {state}; `tonelake promote {version}` judges and publishes it")
