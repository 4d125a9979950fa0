"""What a run would do and take: `tonelake index --dry-run`. Writes nothing."""

import os
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from flows.embed import shards
from flows.reports import IndexRequest
from lake.connect import Lake
from lake.moves import identified
from lake.plan import coverage, plan
from lake.registry import known
from lake.runs import last_counts
from lake.sources import list_sources
from schemas.audio import estimated_seconds
from schemas.runs import Coverage
from schemas.settings import Settings
from workers.encoders.registry import runnable

START_SECONDS = 12.0


def estimate(request: IndexRequest, settings: Settings) -> dict[str, Any]:
    """Coverage of the sources as it is now, and the audio and wall seconds that what is pending would take."""
    entry = runnable(settings.encoder, settings)
    spec = entry.spec.limited(request.windows)
    lake = Lake.at(settings.lake, settings.s3)
    listing = list_sources(list(request.sources), settings.s3)
    found, new, audio_seconds, asked = Coverage(), 0, 0.0, 0
    tracks, _ = identified(lake, listing.tracks)
    for shard in shards(tracks, settings.shard_tracks):
        state = plan(lake, spec, shard)
        found += coverage(state)
        new += len(shard) - (pc.sum(known(lake, shard)).as_py() or 0)
        todo = state.pending.slice(0, None if request.limit is None else max(0, request.limit - asked))
        asked += len(todo)
        audio_seconds += _audio_seconds(todo)
    last = last_counts(lake, spec.embedding_version)
    if last:
        factor, basis = last["audio_seconds"] / last["wall_seconds"], f"run {last['run_id']} of this lake"
    else:
        cores = settings.cpus or os.cpu_count() or 1
        factor, basis = (
            entry.realtime_factor * cores,
            f"{entry.realtime_factor:g} x real time on each of {cores} cores",
        )
    return {
        "encoder": spec.name,
        "embedding_version": spec.embedding_version,
        **found.as_dict(),
        "new": new,
        "skipped": listing.skipped,
        "would_embed": asked,
        "estimated_audio_seconds": round(audio_seconds, 1),
        "estimated_seconds": round(START_SECONDS + audio_seconds / factor, 1) if asked else 0.0,
        "basis": f"{basis}; lengths from file sizes",
    }


def _audio_seconds(tracks: pa.Table) -> float:
    return sum(map(estimated_seconds, tracks["uri"].to_pylist(), tracks["size"].to_pylist()))
