"""`tonelake benchmarks`: the list of benchmarks, and whether a folder holds one completely."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from flows.console.progress import with_progress
from flows.evaluation.benchmark_data import find_data_folder
from lake.benchmarks.check import Problem, check_files
from lake.benchmarks.registry import BENCHMARKS, find_benchmark
from schemas.benchmarks import Benchmark, Clip
from schemas.errors import UserError


@dataclass(frozen=True, slots=True)
class BenchmarkDescription:
    """What the list of benchmarks says of one; the fields are those of `Benchmark`."""

    name: str
    title: str
    task: str
    main_metric: str
    corpus: str
    revision: str
    source: str
    licence: str
    citation: str
    faults: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the fields as a JSON object."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class BenchmarkCheck:
    """What a data folder holds of a benchmark: the number of clips, and the problems."""

    benchmark: Benchmark
    folder: Path
    clips: int
    problems: list[Problem]

    def to_json(self) -> dict[str, Any]:
        """Return what `tonelake --json benchmarks check` prints."""
        return {
            "benchmark": self.benchmark.name,
            "revision": self.benchmark.revision,
            "data": str(self.folder),
            "clips": self.clips,
            "faults": list(self.benchmark.faults),
            "problems": [{"path": problem.path, "what": problem.message} for problem in self.problems],
        }


def describe_benchmarks(all_splits: bool) -> list[BenchmarkDescription]:
    """Describe every benchmark; without `all_splits` only the first of several splits."""
    return [
        BenchmarkDescription(
            name=benchmark.name,
            title=benchmark.title,
            task=benchmark.task,
            main_metric=benchmark.main_metric,
            corpus=benchmark.corpus,
            revision=benchmark.revision,
            source=benchmark.source,
            licence=benchmark.licence,
            citation=benchmark.citation,
            faults=benchmark.faults,
        )
        for benchmark in BENCHMARKS.values()
        if all_splits or "-split-" not in benchmark.name
    ]


def check_benchmark(name: str, data: str | None) -> BenchmarkCheck:
    """Check annotations and audio files below the folder; open each audio file, but decode none."""
    benchmark = find_benchmark(name)
    folder = find_data_folder(benchmark, data)
    problems = check_files(benchmark, folder)
    clips = _load_clips(benchmark, folder)
    broken_paths = {problem.path for problem in problems}
    problems += _check_headers(folder, [clip for clip in clips if clip.path not in broken_paths])
    return BenchmarkCheck(benchmark, folder, len(clips), problems)


def _load_clips(benchmark: Benchmark, folder: Path) -> list[Clip]:
    """Return the clips; none if the annotations are broken, which `check_files` has reported."""
    try:
        return benchmark.load(folder)
    except UserError:
        return []


def _check_headers(folder: Path, clips: list[Clip]) -> list[Problem]:
    """Return the files whose header is not that of audio."""
    with ThreadPoolExecutor() as pool:
        results = pool.map(partial(_check_header, folder), clips)
        return [problem for problem in with_progress(results, "opening audio files", len(clips)) if problem]


def _check_header(folder: Path, clip: Clip) -> Problem | None:
    from workers.audio.container import read_declared_seconds
    from workers.audio.verdicts import AudioInspector, Rejected

    try:
        with (folder / clip.path).open("rb") as file:
            read_declared_seconds(file, AudioInspector(accept=frozenset()))
    except Rejected as error:
        return Problem(clip.path, f"{error.reason}: {error.message}")
    except OSError as error:
        return Problem(clip.path, f"cannot be read: {error.strerror}")
    return None
