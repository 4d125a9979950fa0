"""The stages as Ray Data runs them: blocks of tracks in, blocks of outcomes out.

On CPU-only clusters decoding and encoding are fused in one actor a core. Beside GPUs they are split for one encoder:
decoding on the CPUs, the encoder on the GPUs. Several encoders share a process and its decoding, one a GPU. What the
first pass did not answer (a crashed worker loses its block) is done again, each track in a process of its own.
"""

import gc
import logging
import os
import signal
import socket
import threading
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # all are read when Ray is imported
os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", ".")  # what it says of workers that died goes to standard output

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import ray
import ray.data
from ray.exceptions import RayError, WorkerCrashedError

from schemas.audio import estimated_seconds
from schemas.encoders import EncoderSpec
from schemas.errors import UserError
from schemas.settings import Settings
from workers.embedding.outcomes import Outcomes, Specs, outcomes, packed, unpacked
from workers.embedding.stages import DecodeStage, EncodeStage, FusedStage
from workers.embedding.track import Row, pending_row, quarantined_row
from workers.encoders.registry import entry_of
from workers.metrics.knn import Best, nearest_in
from workers.metrics.neighbours import unit_rows

MAX_BLOCK_TRACKS = 16
BLOCKS_PER_CORE = 8
SPLIT_MAX_SECONDS = 20 * 60  # longer tracks would fill the object store with their windows
SURVIVE = {"max_restarts": -1, "max_task_retries": 1}  # measured: max_restarts=0 loses a second, innocent block


def start_ray(settings: Settings) -> None:
    """Joins the cluster of RAY_ADDRESS, else starts one on this machine; nothing to do where Ray is up.

    UserError where no cluster answers at that address.
    """
    if not ray.is_initialized():
        warnings.filterwarnings("ignore", message="lance is not fork-safe")  # Ray forks only to start programs
        warnings.filterwarnings("ignore", message="`ray_remote_args` is deprecated")  # 2.60 has no other way yet
        quiet = {"log_to_driver": False, "logging_level": "ERROR"}
        here = {"num_cpus": settings.cpus, "object_store_memory": 1 << 30, "include_dashboard": False}
        _check_address(settings.ray_address or "")
        with _without_stderr(), _same_stop():
            ray.init(address=settings.ray_address or "local", **quiet, **({} if settings.ray_address else here))
    context = ray.data.DataContext.get_current()
    context.max_errored_blocks = -1
    context.enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)


def _check_address(address: str) -> None:
    """UserError where nobody listens there: Ray itself would try for minutes, and say nothing."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if port.isdigit():
        try:
            socket.create_connection((host, int(port)), timeout=10).close()
        except OSError as error:
            raise UserError(f"no Ray cluster answers at {address}: start it, or unset RAY_ADDRESS") from error


def embed(tracks: pa.Table, specs: Specs, settings: Settings, stage: type = FusedStage) -> Iterator[Outcomes]:
    """Outcomes (columns of `outcome_schema`) of every track by every encoder, as they come, in no order, each once."""
    unanswered = set(tracks["track_id"].to_pylist())
    for spec, batch in _first_pass(tracks, specs, settings, stage):
        if spec == specs[-1]:  # a track's encoders answer together
            unanswered.difference_update(batch["track_id"].to_pylist())
        yield spec, batch
    rest = tracks.filter(pa.array([track in unanswered for track in tracks["track_id"].to_pylist()]))
    gc.collect()  # an actor that died stands in a cycle of Ray Data's, and keeps its core and its GPU until then
    yield from alone(rest, specs, settings, stage)


def _first_pass(tracks: pa.Table, specs: Specs, settings: Settings, stage: type) -> Iterator[Outcomes]:
    gpus = _gpus_for(specs, settings)
    if not gpus or len(specs) > 1:  # several encoders share one decoding, so they share its process
        yield from fused(tracks, specs, settings, stage, gpus)
        return
    is_long = pa.array([seconds > SPLIT_MAX_SECONDS for seconds in _seconds(tracks)])
    if len(short := tracks.filter(pc.invert(is_long))):
        yield from split(short, specs[0], settings, gpus)
    if len(long := tracks.filter(is_long)):
        yield from fused(long, specs, settings, stage, gpus)


def fused(
    tracks: pa.Table, specs: Specs, settings: Settings, stage: type = FusedStage, gpus: int = 0
) -> Iterator[Outcomes]:
    """One actor a core, or a GPU; an actor that dies comes back, its block is tried once more and then left out."""
    data = ray.data.from_arrow(_blocks(tracks, _cpus(settings))).map_batches(
        stage,
        fn_constructor_args=(specs, settings),
        batch_format="pyarrow",
        compute=ray.data.ActorPoolStrategy(size=gpus or _cpus(settings)),
        **_held_by_one(gpus),
        **SURVIVE,
    )
    for block in _batches(data):
        yield from unpacked(block, specs)


def split(tracks: pa.Table, spec: EncoderSpec, settings: Settings, gpus: int) -> Iterator[Outcomes]:
    """Decoding on the CPUs, one encoder a GPU; without GPUs one core encodes and the others decode."""
    decoders = max(1, _cpus(settings) - (0 if gpus else 1))
    data = ray.data.from_arrow(_blocks(tracks, _cpus(settings))).map_batches(
        DecodeStage,
        fn_constructor_args=(spec, settings),
        batch_size=None,
        batch_format="pyarrow",
        compute=ray.data.ActorPoolStrategy(size=decoders),
        num_cpus=1,
        **SURVIVE,
    )
    data = data.map_batches(
        EncodeStage,
        fn_constructor_args=(spec, settings),
        batch_format="numpy",
        compute=ray.data.ActorPoolStrategy(size=gpus or 1),
        **_held_by_one(gpus),
        **SURVIVE,
    )
    return ((spec, batch) for batch in _batches(data))


def alone(tracks: pa.Table, specs: Specs, settings: Settings, stage: type = FusedStage) -> Iterator[Outcomes]:
    """Each track as a task of its own, never retried by Ray, so that a crash names its culprit.

    Several at once first; what crashes then runs by itself, because a kill for memory may be a neighbour's fault.
    Two crashes by itself quarantine a track. Any other failure of Ray's leaves it pending.
    """
    crashed: list[pa.Table] = []
    on_gpu = _gpus_for(specs, settings) > 0  # the device that its neighbours were heard on
    task = _alone.options(num_gpus=1) if on_gpu else _alone
    rows = [tracks.slice(row, 1) for row in range(len(tracks))]
    cpus = _cpus(settings)
    for start in range(0, len(rows), cpus):
        group = rows[start : start + cpus]
        for row, running in [(row, task.remote(stage, specs, settings, row)) for row in group]:
            answer = _answer(running, row, specs)
            if answer is None:
                crashed.append(row)
            else:
                yield from unpacked(answer, specs)
    for row in crashed:
        answer = _answer(task.remote(stage, specs, settings, row), row, specs)
        answer = answer or _answer(task.remote(stage, specs, settings, row), row, specs)
        message = "the worker died on this file three times, twice with nothing beside it"
        yield from unpacked(
            answer or _alike(quarantined_row(row.to_pylist()[0], "decoder_crashed", message), specs), specs
        )


def each(work: Callable[[Any, Any], Any], shared: Any, jobs: list[Any], settings: Settings) -> Iterator[Any]:
    """`work(shared, job)` of every job, in the order of the jobs, one core each; an error of one ends them all."""
    start_ray(settings)
    task, held = ray.remote(num_cpus=1)(work), ray.put(shared)
    answers = deque(task.remote(held, job) for job in jobs)
    while answers:
        yield ray.get(answers.popleft())  # which the object store then drops


def shared_blocks(blocks: Iterable[np.ndarray], settings: Settings) -> list[ray.ObjectRef]:
    """Vectors in blocks [rows, dim] -> unit rows in Ray's object store, which spills to disk what is too much."""
    start_ray(settings)
    return [ray.put(unit_rows(block)) for block in blocks]


def neighbours(shared: list[ray.ObjectRef], todo: list[int], k: int, settings: Settings) -> Iterator[Best]:
    """The k nearest others of the rows of each block `todo`, in that order, by their number over all blocks.

    All blocks but the last are of one size. A worker holds two of them and their product.
    """
    yield from each(_nearest, shared, [(number, k) for number in todo], settings)


def _nearest(shared: list[ray.ObjectRef], job: tuple[int, int]) -> Best:
    number, k = job
    size, queries = len(ray.get(shared[0])), ray.get(shared[number])
    best = Best.none(len(queries), k)
    for place, block in enumerate(shared):
        best = nearest_in(best, queries, number * size, ray.get(block), place * size)
    return best


@ray.remote(max_retries=0, num_cpus=1)
def _alone(stage: type, specs: Specs, settings: Settings, track: pa.Table) -> pa.Table:
    return _loaded(stage, specs, settings)(track)


@lru_cache(maxsize=1)
def _loaded(stage: type, specs: Specs, settings: Settings) -> Any:
    return stage(specs, settings)


def _alike(row: Row, specs: Specs) -> pa.Table:
    """One answer for all encoders."""
    return packed([outcomes([row], spec) for spec in specs])


@contextmanager
def _same_stop() -> Iterator[None]:
    """What SIGTERM does stays as it is: Ray's own way aborts the process, in the midst of a commit."""
    stop = signal.getsignal(signal.SIGTERM)
    yield
    if callable(stop) and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, stop)


@contextmanager
def _without_stderr() -> Iterator[None]:
    """Ray's core greets on the file descriptor itself, whatever its log level."""
    kept = os.dup(2)
    try:
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _answer(task: ray.ObjectRef, track: pa.Table, specs: Specs) -> pa.Table | None:
    """The packed outcomes; None when the worker died."""
    try:
        return ray.get(task)
    except WorkerCrashedError:
        return None
    except RayError as error:
        if isinstance(error, UserError):  # Ray adds the task's own class to its error's
            raise UserError(str(error.cause)) from error
        return _alike(pending_row(track.to_pylist()[0], f"{type(error).__name__}: {error}"), specs)


def _held_by_one(gpus: int) -> dict[str, int | None]:
    """What an actor holds; and whole blocks as its batches, which Ray refuses to guess beside GPUs."""
    return {"num_gpus": 1, "batch_size": MAX_BLOCK_TRACKS} if gpus else {"num_cpus": 1, "batch_size": None}


def _blocks(tracks: pa.Table, cpus: int) -> list[pa.Table]:
    """Longest tracks first, so that no core is left with one at the end; fewer tracks a block where tracks are few."""
    order = np.argsort(_seconds(tracks))[::-1]
    tracks = tracks.take(pa.array(order))
    rows = min(MAX_BLOCK_TRACKS, max(1, len(tracks) // (BLOCKS_PER_CORE * cpus)))
    return [tracks.slice(start, rows) for start in range(0, len(tracks), rows)]


def _batches(data: ray.data.Dataset) -> Iterator[pa.Table]:
    return iter(data.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0))


def _seconds(tracks: pa.Table) -> list[float]:
    pairs = zip(tracks["uri"].to_pylist(), tracks["size"].to_pylist(), strict=True)
    return [estimated_seconds(uri, size) for uri, size in pairs]


def held(specs: Specs, settings: Settings) -> tuple[int, int]:
    """Cores and GPUs of the cluster that embedding with these encoders holds."""
    return _cpus(settings), _gpus_for(specs, settings)


def _cpus(settings: Settings) -> int:
    """Those that are asked for, which makes an autoscaling cluster grow; else those of the cluster as it is."""
    return settings.cpus or max(1, int(ray.cluster_resources().get("CPU", 1)))


def _gpus_for(specs: Specs, settings: Settings) -> int:
    """GPUs, as `_cpus`, where one of the encoders computes on them; UserError where none will ever come."""
    if not any(entry_of(spec).on_gpu for spec in specs):
        return 0
    there, asked = int(ray.cluster_resources().get("GPU", 0)), settings.gpus
    if asked and asked > there and not settings.ray_address:
        raise UserError(f"TONELAKE_GPUS is {asked} and this machine has {there}: unset it, or set RAY_ADDRESS")
    return there if asked is None else asked
