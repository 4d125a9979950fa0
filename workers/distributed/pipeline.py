"""The embedding pipeline on Ray Data: blocks of tracks in, blocks of outcomes out.

Without GPUs each core has one process that decodes and encodes. With GPUs and one encoder, the CPUs decode and the
GPUs encode. Several encoders share one process per core or GPU, and its decoding.
"""

import gc
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

# Imported first: it sets variables that Ray reads when it is imported.
from workers.distributed.cluster import reserved_cpus, reserved_gpus

# isort: split
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import ray
import ray.data
from ray.exceptions import RayError, WorkerCrashedError

from schemas.audio import estimate_seconds
from schemas.encoders import EncoderSpec
from schemas.errors import UserError
from schemas.settings import Settings
from schemas.tracks import TrackToEmbed
from workers.distributed.code_version import compute_digest, driver_digest, guard, require_same_code
from workers.embedding.outcomes import (
    Outcome,
    Outcomes,
    Specs,
    outcome_table,
    pack,
    pending_outcome,
    quarantined_outcome,
    unpack,
)
from workers.embedding.stages import DecodeStage, EncodeStage, FusedStage

MAX_BLOCK_TRACKS = 16
BLOCKS_PER_CORE = 8
SPLIT_MAX_SECONDS = 20 * 60  # the windows of longer tracks would fill the object store
# A dead actor restarts, and its block is tried once more. Measured: max_restarts=0 loses a second, innocent block.
RESTART_OPTIONS = {"max_restarts": -1, "max_task_retries": 1}


def embed(tracks: pa.Table, specs: Specs, settings: Settings, stage: type = FusedStage) -> Iterator[Outcomes]:
    """Yield one outcome for every track and encoder, as they are computed, in no order.

    Outcomes have the columns of `outcome_schema`. A crashed worker loses its block; the tracks of lost blocks are
    computed again, each in its own task.
    """
    unanswered = set(tracks["track_id"].to_pylist())
    for spec, batch in _first_pass(tracks, specs, settings, stage):
        if spec == specs[-1]:  # the outcomes of a track's encoders come together
            unanswered.difference_update(batch["track_id"].to_pylist())
        yield spec, batch
    rest = tracks.filter(pa.array([track in unanswered for track in tracks["track_id"].to_pylist()]))
    gc.collect()  # a reference cycle of Ray Data keeps a dead actor, with its core and GPU, until then
    yield from isolate_crashes(rest, specs, settings, stage)


def _first_pass(tracks: pa.Table, specs: Specs, settings: Settings, stage: type) -> Iterator[Outcomes]:
    gpus = reserved_gpus(specs, settings)
    if not gpus or len(specs) > 1:  # several encoders share one decoding, so they share its process
        yield from run_fused(tracks, specs, settings, stage, gpus)
        return
    is_long = pa.array([seconds > SPLIT_MAX_SECONDS for seconds in _estimated_seconds(tracks)])
    if len(short := tracks.filter(pc.invert(is_long))):
        yield from run_split(short, specs[0], settings, gpus)
    if len(long := tracks.filter(is_long)):
        yield from run_fused(long, specs, settings, stage, gpus)


def run_fused(
    tracks: pa.Table, specs: Specs, settings: Settings, stage: type = FusedStage, gpus: int = 0
) -> Iterator[Outcomes]:
    """Decode and encode in the same actor.

    There is one actor per GPU, or per core if `gpus` is 0. A dead actor restarts. Its block is tried once more and
    then left out.
    """
    cpus = reserved_cpus(settings)
    data = ray.data.from_arrow(_to_blocks(tracks, cpus)).map_batches(
        guard(stage),
        fn_constructor_args=_guarded(stage, specs, settings),
        batch_format="pyarrow",
        compute=ray.data.ActorPoolStrategy(size=gpus or cpus),
        **_encoder_options(gpus),
        **RESTART_OPTIONS,
    )
    for block in _iterate(data):
        yield from unpack(block, specs)


def run_split(tracks: pa.Table, spec: EncoderSpec, settings: Settings, gpus: int) -> Iterator[Outcomes]:
    """Decode on the CPUs and encode on the GPUs.

    Without GPUs one core encodes and the others decode.
    """
    cpus = reserved_cpus(settings)
    decoded = ray.data.from_arrow(_to_blocks(tracks, cpus)).map_batches(
        guard(DecodeStage),
        fn_constructor_args=_guarded(DecodeStage, spec, settings),
        batch_size=None,
        batch_format="pyarrow",
        compute=ray.data.ActorPoolStrategy(size=cpus if gpus else max(1, cpus - 1)),
        num_cpus=1,
        **RESTART_OPTIONS,
    )
    encoded = decoded.map_batches(
        guard(EncodeStage),
        fn_constructor_args=_guarded(EncodeStage, spec, settings),
        batch_format="numpy",
        compute=ray.data.ActorPoolStrategy(size=gpus or 1),
        **_encoder_options(gpus),
        **RESTART_OPTIONS,
    )
    return ((spec, batch) for batch in _iterate(encoded))


def isolate_crashes(
    tracks: pa.Table, specs: Specs, settings: Settings, stage: type = FusedStage
) -> Iterator[Outcomes]:
    """Run each track in its own task, so that a crash names its track.

    Ray does not retry these tasks. The first attempt runs as many tracks at once as there are cores. A track whose
    task crashes then runs with nothing beside it, because the kernel may kill a task for the memory of its neighbour.
    After two crashes by itself a track is quarantined. Any other failure of Ray leaves it pending.

    Raises UserError if a node of the cluster runs another version of our code.
    """
    if settings.ray_address and len(tracks):
        require_same_code()  # a node that joined during the run may be the reason why tracks are left
    crashed: list[pa.Table] = []
    on_gpu = reserved_gpus(specs, settings) > 0  # the same device as in the first pass
    task = _run_stage.options(num_gpus=1) if on_gpu else _run_stage
    single_tracks = [tracks.slice(row, 1) for row in range(len(tracks))]
    cpus, expected_digest = reserved_cpus(settings), _expected_digest(settings)
    for start in range(0, len(single_tracks), cpus):
        group = single_tracks[start : start + cpus]
        running = [task.remote(stage, specs, settings, expected_digest, track) for track in group]
        for track, result in zip(group, running, strict=True):
            block = _result_or_none(result, track, specs)
            if block is None:
                crashed.append(track)
            else:
                yield from unpack(block, specs)
    for track in crashed:
        block = _result_or_none(task.remote(stage, specs, settings, expected_digest, track), track, specs)
        block = block or _result_or_none(task.remote(stage, specs, settings, expected_digest, track), track, specs)
        yield from unpack(block or _crash_outcome(track, specs), specs)


@ray.remote(max_retries=0, num_cpus=1)
def _run_stage(
    stage: type, specs: Specs, settings: Settings, expected_digest: str | None, track: pa.Table
) -> pa.Table:
    return _loaded_stage(stage, specs, settings, expected_digest)(track)


@lru_cache(maxsize=1)
def _loaded_stage(stage: type, specs: Specs, settings: Settings, expected_digest: str | None) -> Any:
    if expected_digest is not None and expected_digest != compute_digest():
        raise RuntimeError("this Ray node runs another version of tonelake")
    return stage(specs, settings)


def _guarded(stage: type, specs: Specs | EncoderSpec, settings: Settings) -> tuple[str | None, list[ray.ObjectRef]]:
    """Return the arguments of a GuardedStage that runs this stage."""
    return _expected_digest(settings), [ray.put((stage, (specs, settings)))]


def _expected_digest(settings: Settings) -> str | None:
    """Return the digest that nodes must have, or None without a cluster.

    On a lone machine driver and workers read the same files.
    """
    return driver_digest() if settings.ray_address else None


def _result_or_none(task: ray.ObjectRef, track: pa.Table, specs: Specs) -> pa.Table | None:
    """Return the packed outcomes of a task, or None if its worker died."""
    try:
        return ray.get(task)
    except WorkerCrashedError:
        return None
    except RayError as error:
        if isinstance(error, UserError):  # Ray raises an error that is also of the class that the task raised
            raise UserError(str(error.cause)) from error
        message = f"{type(error).__name__}: {error}"
        return _same_outcome(pending_outcome(TrackToEmbed.from_table(track)[0], message), specs)


def _crash_outcome(track: pa.Table, specs: Specs) -> pa.Table:
    message = "the worker died on this file three times, twice with nothing beside it"
    return _same_outcome(quarantined_outcome(TrackToEmbed.from_table(track)[0], "decoder_crashed", message), specs)


def _same_outcome(outcome: Outcome, specs: Specs) -> pa.Table:
    """Return a packed block with the same outcome for every encoder."""
    return pack([outcome_table([outcome], spec) for spec in specs])


def _encoder_options(gpus: int) -> dict[str, int | None]:
    """Return the resources of an actor that encodes, and its batch size: whole blocks.

    Beside GPUs Ray Data requires an explicit batch size.
    """
    if gpus:
        return {"num_gpus": 1, "batch_size": MAX_BLOCK_TRACKS}
    return {"num_cpus": 1, "batch_size": None}


def _to_blocks(tracks: pa.Table, cpus: int) -> list[pa.Table]:
    """Cut tracks into blocks, longest tracks first.

    So no core computes a long track at the end while the others are idle. Few tracks make small blocks.
    """
    longest_first = np.argsort(_estimated_seconds(tracks))[::-1]
    tracks = tracks.take(pa.array(longest_first))
    rows = min(MAX_BLOCK_TRACKS, max(1, len(tracks) // (BLOCKS_PER_CORE * cpus)))
    return [tracks.slice(start, rows) for start in range(0, len(tracks), rows)]


def _iterate(data: ray.data.Dataset) -> Iterator[pa.Table]:
    return iter(data.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0))


def _estimated_seconds(tracks: pa.Table) -> list[float]:
    pairs = zip(tracks["uri"].to_pylist(), tracks["size"].to_pylist(), strict=True)
    return [estimate_seconds(uri, size) for uri, size in pairs]
