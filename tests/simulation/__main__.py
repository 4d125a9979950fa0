"""`make simulate SEEDS=1000 FROM=0 MODE=once`: run histories on all cores, and print what was violated."""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path

from tests.seaweed import Seaweed
from tests.simulation.history import shorter
from tests.simulation.modes import MODES, RunSeed
from tests.simulation.run import WORK, HistoryResult, run_history, run_seed

SEEDS_A_POOL = 500
SHRINK_RUNS = 200  # histories that are tried to shorten one failure


def main() -> int:
    """Return 0 if nothing was violated, else 1."""
    parser = argparse.ArgumentParser(prog="make simulate", description=__doc__)
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--from", type=int, default=0, dest="first")
    parser.add_argument("--work", type=Path, default=WORK, help="a folder in memory for the lakes")
    parser.add_argument("--verbose", action="store_true", help="print each history")
    parser.add_argument("--mode", choices=MODES, default="once", help="twice: each must be the same; s3: in SeaweedFS")
    options = parser.parse_args()
    with _store_environment(options.mode):
        return _simulate(options)


def _simulate(options: argparse.Namespace) -> int:
    started, counts, failures = time.monotonic(), Counter[str](), list[int]()
    seeds = range(options.first, options.first + options.seeds)
    for done, result in enumerate(run_seeds(seeds, options.work, MODES[options.mode]), 1):
        counts += result.counts
        if result.failure:
            failures.append(result.seed)
            print(describe_failure(result, options.work), flush=True)
        elif options.verbose:
            print("\n".join([f"seed {result.seed}: {result.digest}", *_indent(result.lines)]), flush=True)
        if done % 100 == 0:
            print(f"{done} histories, {len(failures)} failed, {time.monotonic() - started:.0f} s", flush=True)
    print(summary(options.seeds, counts, failures, time.monotonic() - started))
    return 1 if failures else 0


def run_seeds(seeds: range, work: Path, run: RunSeed = run_seed) -> Iterator[HistoryResult]:
    """Run seeds in as many processes as there are cores; yield results as they come.

    Some hundred seeds share their processes. (Python's own `max_tasks_per_child` hung after 200.)
    """
    for start in range(0, len(seeds), SEEDS_A_POOL):
        with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
            for future in as_completed([pool.submit(run, seed, work) for seed in seeds[start : start + SEEDS_A_POOL]]):
                yield future.result()


@contextmanager
def _store_environment(mode: str) -> Iterator[None]:
    """Start SeaweedFS in memory if a mode needs it; processes that start inside the `with` block find it."""
    if mode != "s3":
        yield
        return
    with tempfile.TemporaryDirectory(dir=WORK.parent) as folder, Seaweed(Path(folder)) as server:
        os.environ.update(server.environment())
        yield


def describe_failure(result: HistoryResult, work: Path) -> str:
    """Return the seed, the history, what was violated, and the shortest history that violates something alike."""
    short = shrink(result, work)
    return "\n".join(
        [
            f"seed {result.seed} FAILED: {result.failure}",
            *_indent(result.lines),
            f"  shrunk from {len(result.history)} steps to {len(short.history)}: {short.failure}",
            *_indent(short.lines),
            f"  again: make simulate SEEDS=1 FROM={result.seed}",
        ]
    )


def shrink(result: HistoryResult, work: Path, limit: int = SHRINK_RUNS) -> HistoryResult:
    """Return the result of a shorter history that fails with the same words."""
    best, runs = result, 0
    while runs < limit:
        for history in shorter(best.history):
            runs += 1
            tried = run_history(result.seed, history, work)
            if _kind(tried.failure) == _kind(result.failure):
                best = tried
                break
            if runs >= limit:
                return best
        else:
            return best
    return best


def _kind(failure: str) -> str:
    """Return the words of a failure without its names and numbers."""
    return " ".join(word for word in failure.split()[:12] if word.isalpha())


def _indent(lines: list[str]) -> list[str]:
    return [f"    {line}" for line in lines]


def summary(seeds: int, counts: Counter[str], failures: list[int], seconds: float) -> str:
    """Return the counts of a simulation as text."""
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    lines = [f"{seeds:,} histories at {commit or 'no commit'}: {len(failures)} failed {failures or ''}".rstrip()]
    lines.append(
        f"{counts['commands']:,} commands ({counts['refused']:,} refused), {counts['changes']:,} changes "
        f"of files, {counts['writes']:,} writes of the lake, {counts['faults']:,} faults"
    )
    lines += [
        f"  {name}: {number:,}" for name, number in sorted(counts.items()) if name.startswith(("command ", "fault "))
    ]
    lines.append(f"{seconds:.0f} s")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
