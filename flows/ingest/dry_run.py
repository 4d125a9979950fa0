"""What a run would do and take: `tonelake index --dry-run`. Writes nothing."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from flows.ingest.cost import money
from flows.ingest.embed import audio_of, shards
from flows.ingest.report import IndexRequest
from lake.catalogue.identity import identified
from lake.catalogue.plan import coverage, plan
from lake.catalogue.runs import last_counts
from lake.catalogue.tracks import known
from lake.embeddings.reuse import unheard
from lake.sources.listing import list_sources
from lake.storage.lake import Lake
from schemas.encoders import EncoderSpec
from schemas.runs import Coverage
from schemas.settings import Settings
from workers.encoders.base.registration import Entry
from workers.encoders.registry import runnable

START_SECONDS = 12.0


def estimate(request: IndexRequest, settings: Settings) -> dict[str, Any]:
    """Coverage of the sources as it is now, and what embedding the pending would take: audio, wall, core and GPU
    seconds (None where that is not known before a first run), money at the settings' prices (None: not told).
    """
    entry = runnable(settings.encoder, settings)
    spec = entry.spec.limited(request.windows)
    lake = Lake.at(settings.lake, settings.s3)
    listing = list_sources(list(request.sources), settings.s3, settings.allow_outside)
    found, new, audio_seconds, asked = Coverage(), 0, 0.0, 0
    tracks, _ = identified(lake, listing)
    for shard in shards(tracks, settings.shard_tracks):
        state = plan(lake, spec, shard)
        found += coverage(state)
        new += len(shard) - (pc.sum(known(lake, shard)).as_py() or 0)
        todo = state.pending.slice(0, None if request.limit is None else max(0, request.limit - asked))
        asked += len(todo)
        audio_seconds += audio_of(unheard(lake, spec, todo))
    return {
        "encoder": spec.name,
        "embedding_version": spec.embedding_version,
        **found.as_dict(),
        "new": new,
        "skipped": listing.skipped,
        "would_embed": asked,
        **bill_before(lake, entry, spec, audio_seconds, settings),
    }


def bill_before(
    lake: Lake, entry: Entry, spec: EncoderSpec, audio_seconds: float, settings: Settings
) -> dict[str, Any]:
    """What it would take to embed so much audio."""
    pace = _pace(lake, entry, spec, settings)
    seconds = START_SECONDS + audio_seconds / pace.factor if audio_seconds else 0.0
    gpu_seconds = None if pace.gpus is None else round(seconds * pace.gpus, 1)
    return {
        "estimated_audio_seconds": round(audio_seconds, 1),
        "estimated_seconds": round(seconds, 1),
        "core_seconds": round(seconds * pace.cores, 1),
        "gpu_seconds": gpu_seconds,
        "money": money(seconds * pace.cores, gpu_seconds, settings),
        "currency": settings.currency,
        "basis": f"{pace.basis}; lengths from file sizes",
    }


@dataclass(frozen=True, slots=True)
class _Pace:
    """Seconds of audio a second of a run, and the cores and GPUs it holds; None where nobody can know."""

    factor: float
    cores: float
    gpus: float | None
    basis: str


def _pace(lake: Lake, entry: Entry, spec: EncoderSpec, settings: Settings) -> _Pace:
    """As the last run of the encoder on this lake, else by the figure that its entry states for one core."""
    if last := last_counts(lake, spec.embedding_version):
        wall = last["wall_seconds"]
        held = last["core_seconds"] / wall, last["gpu_seconds"] / wall
        return _Pace(last["audio_seconds"] / wall, *held, f"measured by run {last['run_id']} of this lake")
    cores = settings.cpus or os.cpu_count() or 1
    gpus = None if entry.on_gpu and (settings.ray_address or list(Path("/proc/driver/nvidia/gpus").glob("*"))) else 0.0
    stated = f"{entry.realtime_factor:g} x real time on each of {cores} cores, not measured on this lake"
    return _Pace(entry.realtime_factor * cores, cores, gpus, stated)
