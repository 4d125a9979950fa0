"""The executor for small runs: processes of this machine, without Ray.

One process for each core decodes and encodes. A process that dies takes the others of its pool with it, so the blocks
that were being computed are suspects: their tracks run again, each alone.
"""

import math
import multiprocessing
import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress

import pyarrow as pa

from schemas.errors import UserError
from schemas.settings import Settings
from workers.embedding.blocks import crash_outcome, cut_into_blocks, failure_outcome, total_seconds
from workers.embedding.outcomes import Outcomes, Specs, unpack
from workers.embedding.stages import FusedStage
from workers.local.worker import run_stage, start_worker


class LocalExecutor:
    """Runs a stage in processes of this machine. It never uses a GPU."""

    def __init__(self, stage: type = FusedStage) -> None:
        self._stage = stage
        self._cpus = 1  # processes at once, in the widest call of `embed` so far

    def reserved_resources(self, _: Specs, __: Settings) -> tuple[int, int]:
        """Return the numbers of cores and GPUs that the calls of `embed` reserved."""
        return self._cpus, 0

    def embed(self, tracks: pa.Table, specs: Specs, settings: Settings) -> Iterator[Outcomes]:
        """Yield one outcome for every track and encoder, as they are computed, in no order.

        A track whose process dies is tried twice alone, then quarantined. Raises UserError if an encoder cannot be
        loaded.
        """
        cpus = _count_processes(tracks, settings)
        self._cpus = max(self._cpus, cpus)
        blocks, suspects = deque(cut_into_blocks(tracks, cpus)), list[pa.Table]()
        while blocks:
            for packed in self._run_until_crash(blocks, suspects, specs, settings, cpus):
                yield from unpack(packed, specs)
        single_tracks = [block.slice(row, 1) for block in suspects for row in range(len(block))]
        for packed in self._run_alone(single_tracks, specs, settings):
            yield from unpack(packed, specs)

    def _run_until_crash(
        self, blocks: deque[pa.Table], suspects: list[pa.Table], specs: Specs, settings: Settings, cpus: int
    ) -> Iterator[pa.Table]:
        """Take blocks and yield their results, until none is left or a process dies.

        No more blocks than processes are under way at a time, so that a dead process makes few suspects.
        """
        running: dict[Future[pa.Table], pa.Table] = {}
        try:
            with _processes(min(cpus, len(blocks))) as pool:
                while blocks or running:
                    while blocks and len(running) < cpus:
                        future = pool.submit(run_stage, self._stage, specs, settings, blocks[0])
                        running[future] = blocks.popleft()
                    done, _ = wait(running, return_when=FIRST_COMPLETED)
                    for future in done:
                        packed = _result(future, running[future], specs)
                        del running[future]
                        yield packed
        except BrokenProcessPool:
            suspects += running.values()

    def _run_alone(self, tracks: list[pa.Table], specs: Specs, settings: Settings) -> Iterator[pa.Table]:
        """Compute tracks one after the other, with nothing beside them; yield their results.

        A track whose process dies twice is quarantined.
        """
        left = deque((track, 0) for track in tracks)  # with the number of attempts
        while left:
            with _processes(1) as pool, suppress(BrokenProcessPool):
                while left:
                    track, attempts = left[0]
                    left[0] = track, attempts + 1
                    if attempts == 2:
                        packed = crash_outcome(track, specs)
                    else:
                        packed = _result(pool.submit(run_stage, self._stage, specs, settings, track), track, specs)
                    left.popleft()
                    yield packed


def _count_processes(tracks: pa.Table, settings: Settings) -> int:
    """Return how many processes to start: one a core, with a minute of audio each.

    A process takes seconds and half a gigabyte before it computes anything.
    """
    minutes = math.ceil(total_seconds(tracks) / 60)
    return max(1, min(settings.cpus or len(os.sched_getaffinity(0)), minutes, len(tracks)))


def _result(future: "Future[pa.Table]", block: pa.Table, specs: Specs) -> pa.Table:
    """Return the packed outcomes of a block. An error of the stage itself leaves its tracks pending."""
    try:
        return future.result()
    except (UserError, BrokenProcessPool):
        raise
    except Exception as error:
        return pa.concat_tables([failure_outcome(block.slice(row, 1), error, specs) for row in range(len(block))])


@contextmanager
def _processes(count: int) -> Iterator[ProcessPoolExecutor]:
    """Give a pool of processes; they end with the `with` block, whatever they compute."""
    others = {child.pid for child in multiprocessing.active_children()}
    # Not forked: Lance's threads do not survive that.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(count, mp_context=context, initializer=start_worker)
    try:
        yield pool
    finally:
        for child in multiprocessing.active_children():
            if child.pid not in others:
                child.terminate()
        pool.shutdown(cancel_futures=True)
