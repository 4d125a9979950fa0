"""What is done with a seed: run it once, twice, or in an S3 store.

These functions stand outside `__main__`: a process of a pool does not find functions of the module that was started.
"""

from collections.abc import Callable
from pathlib import Path

from schemas.settings import S3Settings
from tests.simulation.run import HistoryResult, run_seed
from tests.simulation.store import open_store

RunSeed = Callable[[int, Path], HistoryResult]


def run_twice(seed: int, work: Path) -> HistoryResult:
    """Run a seed two times; the result has failed if they are not the same."""
    first, second = run_seed(seed, work), run_seed(seed, work)
    if (first.lines, first.digest, first.counts) != (second.lines, second.digest, second.counts):
        first.failure = first.failure or "it was another history the second time"
    return first


def run_on_s3(seed: int, work: Path) -> HistoryResult:
    """Run a seed in the S3 store that the AWS_* variables name."""
    with open_store(S3Settings()) as store:
        return run_seed(seed, work, store)


MODES: dict[str, RunSeed] = {"once": run_seed, "twice": run_twice, "s3": run_on_s3}
