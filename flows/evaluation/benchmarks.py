"""What benchmarks there are, and whether a folder holds one whole."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from flows.console.progress import track
from flows.evaluation.benchmark_data import data_folder
from lake.benchmarks.check import Problem
from lake.benchmarks.check import check as check_files
from lake.benchmarks.registry import BENCHMARKS, benchmark
from schemas.benchmarks import Benchmark, Clip
from schemas.errors import UserError

_FULL = ("title", "task", "main_metric", "corpus", "revision", "source", "licence", "citation", "faults")


def described(in_full: bool) -> list[dict[str, Any]]:
    """One row a benchmark; in full for programs. People see what fits a line, and one row for other splits alike."""
    columns = _FULL if in_full else ("title", "task", "main_metric", "revision", "licence")
    shown = [one for one in BENCHMARKS.values() if in_full or "-split-" not in one.name]
    return [{"name": one.name} | {name: getattr(one, name) for name in columns} for one in shown]


def check(name: str, data: str | None) -> dict[str, Any]:
    """Everything missing or broken below the folder: annotations, audio files, and what is in the place of audio."""
    found = benchmark(name)
    folder = data_folder(found, data)
    problems = check_files(found, folder)
    clips = _clips(found, folder)
    bad = {problem.path for problem in problems}
    problems += _unheard(folder, [clip for clip in clips if clip.path not in bad])
    return {
        "benchmark": name,
        "revision": found.revision,
        "data": str(folder),
        "clips": len(clips),
        "faults": list(found.faults),
        "problems": [{"path": problem.path, "what": problem.what} for problem in problems],
    }


def _clips(found: Benchmark, folder: Path) -> list[Clip]:
    """None where the annotations are broken: that is a problem already told."""
    try:
        return found.load(folder)
    except UserError:
        return []


def _unheard(folder: Path, clips: list[Clip]) -> list[Problem]:
    """Files whose header is not that of audio; nothing is decoded, which is the index's work."""
    with ThreadPoolExecutor() as pool:
        answers = track(pool.map(partial(_heading, folder), clips), "opening audio files", len(clips))
        return [problem for problem in answers if problem]


def _heading(folder: Path, clip: Clip) -> Problem | None:
    from workers.audio.container import declared_seconds
    from workers.audio.verdicts import Notes, Rejected

    try:
        with (folder / clip.path).open("rb") as file:
            declared_seconds(file, Notes(accept=frozenset()))
    except Rejected as rejected:
        return Problem(clip.path, f"{rejected.reason}: {rejected.message}")
    except OSError as error:
        return Problem(clip.path, f"cannot be read: {error.strerror}")
    return None
