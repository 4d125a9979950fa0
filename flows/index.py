"""The main job: sources -> registry -> plan -> decode and encode on Ray -> commits -> indexes -> coverage."""

import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from flows.embed import embed_pending, shards, verify
from flows.progress import Watch
from flows.reports import IndexReport, IndexRequest, Tally
from lake.connect import Lake
from lake.index import tend
from lake.lease import Lease
from lake.plan import coverage, plan, quarantined_tracks, register
from lake.runs import RunRecord, new_run_id
from lake.sources import Listing, list_sources, refreshed
from lake.versions import remember
from lake.write import Committer
from schemas.encoders import EncoderSpec
from schemas.runs import Coverage
from schemas.settings import Settings
from schemas.tables import embeddings_table
from workers.encoders.registry import encoder_entry

Step = Callable[[Callable[..., Any]], Callable[..., Any]]


def index_catalogue(
    request: IndexRequest, settings: Settings, watch: Watch, step: Step = lambda do: do
) -> IndexReport:
    """Embeds what is not embedded yet. `step` wraps each step: Prefect's `task` records it; by default nothing is."""
    started = time.monotonic()
    entry = encoder_entry(settings.encoder)
    spec = entry.spec.limited(request.windows)
    lake, run_id = Lake.at(settings.lake, settings.s3), new_run_id()
    listing = step(_listing)(request, lake, spec, settings)
    step(entry.prepare)(settings.models)
    with (
        Lease(lake, embeddings_table(spec), run_id, watch.say) as lease,
        RunRecord(lake, run_id, "index", spec, asdict(request)) as record,
        watch,
    ):
        remember(lake, spec)
        committer = Committer(lake, spec, lease, run_id, settings)
        tally, found, new = Tally(request.limit), Coverage(), 0
        for shard in shards(listing.tracks, settings.shard_tracks):
            new += step(register)(lake, shard)
            state = step(plan)(lake, spec, shard, retry_quarantined=request.retry)
            step(embed_pending)(state, spec, settings, committer, tally, watch)
            found += coverage(step(plan)(lake, spec, shard))
        verify(tally, committer)
        committer.verify()
        step(tend)(lake, spec)
        report = IndexReport.of(run_id, spec, found, tally, new, listing.skipped, time.monotonic() - started)
        record.done(asdict(report))
    if not tally.asked:
        watch.say("everything is up to date")
    return report


def _listing(request: IndexRequest, lake: Lake, spec: EncoderSpec, settings: Settings) -> Listing:
    if request.retry:
        return Listing(refreshed(quarantined_tracks(lake, spec), settings.s3), 0)
    return list_sources(list(request.sources), settings.s3)
