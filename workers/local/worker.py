"""A worker process of this machine. It imports no library of numbers before its environment is set."""

import multiprocessing
import os
import signal
import threading
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from schemas.settings import Settings

_stages: dict[Any, Any] = {}


def start_worker() -> None:
    """Prepare the process: one thread, no GPU, and an end when its parent ends.

    Ray gives an actor of one core the same environment, so that both compute the same bits.
    """
    os.environ |= {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group: the parent decides
    threading.Thread(target=_end_with_parent, daemon=True).start()


def run_stage(stage: type, specs: Any, settings: "Settings", block: Any) -> Any:
    """Map a block by a stage, which is made once in each process."""
    key = (stage, specs)
    if key not in _stages:
        _stages.clear()
        _stages[key] = _make_stage(stage, specs, settings)
    return _stages[key](block)


def _make_stage(stage: type, specs: Any, settings: "Settings") -> Any:
    from threadpoolctl import threadpool_limits

    threadpool_limits(1)  # for libraries that were loaded before start_worker
    return stage(specs, settings)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)
