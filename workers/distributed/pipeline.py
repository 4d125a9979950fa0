"""The embedding pipeline on Ray Data: blocks of tracks in, blocks of outcomes out.

Without GPUs each core has one process that decodes and encodes. With GPUs and one encoder, the CPUs decode and the
GPUs encode. Several encoders share one process per core or GPU, and its decoding.
"""

import gc
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

# Imported first: it sets variables that Ray reads when it is imported.
from workers.distributed.cluster import reserved_cpus, reserved_gpus, reserved_resources, start_ray

# isort: split
import pyarrow as pa
import pyarrow.compute as pc
import ray
import ray.data
from ray.exceptions import RayError, WorkerCrashedError

from schemas.encoders import EncoderSpec
from schemas.errors import UserError
from schemas.settings import Settings
from workers.distributed.code_version import compute_digest, driver_digest, guard, require_same_code
from workers.embedding.blocks import (
    MAX_BLOCK_TRACKS,
    crash_outcome,
    cut_into_blocks,
    estimated_seconds,
    failure_outcome,
)
from workers.embedding.outcomes import Outcomes, Specs, unpack
from workers.embedding.stages import DecodeStage, EncodeStage, FusedStage

SPLIT_MAX_SECONDS = 20 * 60  # the windows of longer tracks would fill the object store
# A dead actor restarts, and its block is tried once more. Measured: max_restarts=0 loses a second, innocent block.
RESTART_OPTIONS = {"max_restarts": -1, "max_task_retries": 1}


class RayExecutor:
    """Runs the stages on Ray: on the cluster at RAY_ADDRESS, or on this machine."""

    def reserved_resources(self, specs: Specs, settings: Settings) -> tuple[int, int]:
        """Return the numbers of cores and GPUs that a run reserves."""
        return reserved_resources(specs, settings)

    def embed(self, tracks: pa.Table, specs: Specs, settings: Settings) -> Iterator[Outcomes]:
        """Yield one outcome for every track and encoder, as they are computed, in no order."""
        start_ray(settings)
        yield from embed(tracks, specs, settings)


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
    is_long = pa.array([seconds > SPLIT_MAX_SECONDS for seconds in estimated_seconds(tracks)])
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
    data = ray.data.from_arrow(cut_into_blocks(tracks, cpus)).map_batches(
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
    decoded = ray.data.from_arrow(cut_into_blocks(tracks, cpus)).map_batches(
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
        yield from unpack(block or crash_outcome(track, specs), specs)


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
        return failure_outcome(track, error, specs)


def _encoder_options(gpus: int) -> dict[str, int | None]:
    """Return the resources of an actor that encodes, and its batch size: whole blocks.

    Beside GPUs Ray Data requires an explicit batch size.
    """
    if gpus:
        return {"num_gpus": 1, "batch_size": MAX_BLOCK_TRACKS}
    return {"num_cpus": 1, "batch_size": None}


def _iterate(data: ray.data.Dataset) -> Iterator[pa.Table]:
    return iter(data.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0))
