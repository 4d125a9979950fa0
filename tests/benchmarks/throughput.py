"""`make bench`: tonelake against a plain loop and the ideal for this machine.

python -m tests.benchmarks.throughput [--tracks 300] [--seconds 60]

The plain loop decodes and embeds a sample of the tracks, one after the other in one process with one thread, before
and after tonelake's run. The ideal is that loop on every core at once, without any overhead. During the run, the
memory of all of tonelake's processes and the first commit to the lake are recorded.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import lance
import psutil
from rich.console import Console
from rich.table import Table

from tests.benchmarks.figures import Figure, record_figures
from tests.cli import COMMAND, ROOT, environment
from workers.synthetic_music.demo.catalogue import render_catalogue


@dataclass(slots=True)
class RunMeasurement:
    """Measurements of one run of the command line."""

    report: dict
    wall: float
    peak_bytes: int
    first_commit: float | None


def main() -> None:
    """Render, run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tracks", type=int, default=300)
    parser.add_argument("--seconds", type=int, default=60)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        music = render_catalogue(Path(folder) / "music", arguments.tracks, seconds=arguments.seconds).parent
        single = render_catalogue(Path(folder) / "single", 1, seconds=2).parent
        starts = [run_index(single, Path(folder) / f"lake{number}").wall for number in range(3)]
        before = time_plain_loop(music)
        run = run_index(music, Path(folder) / "lake")
        after = time_plain_loop(music)
    loop, start = (before + after) / 2, sorted(starts)[1]
    print_table(arguments, loop, start, run)
    cores = len(os.sched_getaffinity(0))
    after_start = (run.wall - start) / arguments.tracks
    record_figures(
        "index",
        {
            "loop": Figure(1 / loop, "tracks/s", True),
            "loop_realtime": Figure(arguments.seconds / loop, "x real time", True),
            "loop_of_ideal": Figure(1 / cores, "", True),
            "tonelake": Figure(1 / after_start, "tracks/s", True),
            "realtime": Figure(arguments.seconds / after_start, "x real time", True),
            "of_ideal": Figure(loop / cores / after_start, "", True),
            "with_start": Figure(arguments.tracks / run.wall, "tracks/s", True),
            "with_start_realtime": Figure(arguments.seconds * arguments.tracks / run.wall, "x real time", True),
            "with_start_of_ideal": Figure(loop / cores * arguments.tracks / run.wall, "", True),
            "start": Figure(start, "s"),
            "first_commit": Figure(run.first_commit or run.wall, "s"),
            "peak": Figure(run.peak_bytes / 1e9, "GB"),
        },
    )


def time_plain_loop(music: Path) -> float:
    """Return seconds per track of the plain loop, without start-up."""
    environ = environment(OMP_NUM_THREADS="1")
    command = [sys.executable, "-m", "tests.benchmarks.plain_loop", str(music)]
    result = subprocess.run(command, check=True, capture_output=True, text=True, env=environ, cwd=ROOT)
    return float(result.stdout.split()[-1])


def run_index(music: Path, lake: Path) -> RunMeasurement:
    """Run `tonelake index` and measure it."""
    started = time.perf_counter()
    command = [*COMMAND, "--lake", str(lake), "--json", "index", str(music)]
    environ = environment(TONELAKE_EXECUTOR="ray")  # for the short track too: its time is that of Ray's start
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environ, cwd=ROOT)
    observed = {"peak": 0, "commit": None}

    def watch() -> None:
        while process.poll() is None:
            observed["peak"] = max(observed["peak"], measure_memory(process.pid))
            if observed["commit"] is None and has_commit(lake):
                observed["commit"] = time.perf_counter() - started
            time.sleep(0.5)

    watcher = threading.Thread(target=watch)
    watcher.start()
    output, _ = process.communicate()
    wall = time.perf_counter() - started
    watcher.join()
    assert process.returncode == 0, output
    return RunMeasurement(json.loads(output), wall, observed["peak"], observed["commit"])


def measure_memory(pid: int) -> int:
    """Return the bytes of a process and its children, shared pages counted once (PSS)."""
    total = 0
    try:
        family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0
    for process in family:
        try:
            total += process.memory_full_info().pss
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return total


def has_commit(lake: Path) -> bool:
    """Return whether plain Lance sees an embedded track."""
    try:
        return any(lance.dataset(str(path)).count_rows() for path in lake.glob("embeddings__*.lance"))
    except (OSError, ValueError):  # a table is being created
        return False


def print_table(arguments: argparse.Namespace, loop: float, start: float, run: RunMeasurement) -> None:
    """Print the table, and what limits the speed."""
    cores = len(os.sched_getaffinity(0))
    after_start = (run.wall - start) / arguments.tracks
    table = Table(
        "", "tracks/s", "x real time", "of the ideal", title=f"{arguments.tracks} tracks of {arguments.seconds} s"
    )
    for name, seconds in (
        ("plain loop, one process", loop),
        (f"ideal, {cores} cores", loop / cores),
        ("tonelake after start-up", after_start),
        ("tonelake, start-up included", run.wall / arguments.tracks),
    ):
        fraction = loop / cores / seconds
        table.add_row(name, f"{1 / seconds:.2f}", f"{arguments.seconds / seconds:.0f}", f"{fraction:.2f}")
    console = Console(width=110)
    console.print(f"{platform.processor() or platform.machine()}, {cores} cores, Python {platform.python_version()}")
    console.print(table)
    commit = "at the end" if run.first_commit is None else f"after {run.first_commit:.0f} s"
    console.print(
        f"start-up {start:.1f} s (median of 3 runs over one short track), first commit {commit}, "
        f"peak memory {run.peak_bytes / 1e9:.2f} GB in all processes, wall {run.wall:.0f} s"
    )
    console.print("Bound by the encoder's matrix products on the CPU: decoding is about a tenth of the plain loop.")


if __name__ == "__main__":
    main()
