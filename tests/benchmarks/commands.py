"""`make bench`: seconds from typing a command to its end, each in a new process.

python -m tests.benchmarks.commands [--runs 3]

The lake of the searches holds the demo's 60 rendered tracks. The bare imports are the limit: a process that imports
what the command cannot do without, and does nothing.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from tests.benchmarks.figures import Figure, record_figures
from tests.cli import COMMAND, ROOT, environment
from workers.synthetic_music.demo.catalogue import render_catalogue

ALBUM = 12


def main() -> None:
    """Type each command a few times; print and record the median."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    runs = parser.parse_args().runs
    figures: dict[str, Figure] = {}

    def measure(name: str, work: Callable[[int], float]) -> None:
        figures[name] = Figure(median(work(number) for number in range(runs)), "s")
        print(f"{name}: {figures[name].value:.2f} s", flush=True)

    with tempfile.TemporaryDirectory() as folder:
        lake, demo = f"--lake={folder}/lake", render_catalogue(Path(folder) / "demo")
        track, album = (
            str(render_catalogue(Path(folder) / f"album-{count}", count, seconds=30).parent) for count in (1, ALBUM)
        )
        time_command(lake, "index", str(demo))
        for executor in ("local", "ray"):
            for name, music in (("one_track", track), ("album", album)):
                new_lake = f"--lake={folder}/{name}-{executor}-"
                measure(
                    f"{name}_{executor}",
                    lambda number, new_lake=new_lake, music=music, executor=executor: time_command(
                        f"{new_lake}{number}", "index", music, TONELAKE_EXECUTOR=executor
                    ),
                )
        measure("search_words", lambda _: time_command(lake, "search", "flute"))
        measure("search_filter", lambda _: time_command(lake, "search", "--where", "year >= 1990"))
        measure("status", lambda _: time_command(lake, "status"))
        measure("help", lambda _: time_command("--help"))
    measure("import_lance", lambda _: time_imports("lance, numpy, pyarrow"))
    record_figures("commands", figures)


def time_command(*arguments: str, **settings: str) -> float:
    """Return the seconds of a command in a process of its own."""
    started = time.perf_counter()
    subprocess.run(
        [*COMMAND, *arguments], check=True, stdout=subprocess.DEVNULL, env=environment(**settings), cwd=ROOT
    )
    return time.perf_counter() - started


def time_imports(modules: str) -> float:
    """Return the seconds of a process that only imports."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", f"import {modules}"], check=True)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
