"""Check of a benchmark's data folder: which files are missing or broken."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import fsspec

from lake.sources.manifest import FileInfoCache
from schemas.benchmarks import Benchmark, Clip, SourceFile
from schemas.errors import UserError


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with one file.

    `path` is relative to the data folder; "." stands for the whole folder.
    """

    path: str
    message: str


def check_files(benchmark: Benchmark, data: Path) -> list[Problem]:
    """Return the missing, changed and broken annotation files, then the missing and empty audio files."""
    problems = [problem for file in benchmark.files if (problem := _check_annotation(benchmark, data, file))]
    if any(problem.message.startswith("missing") for problem in problems):
        return problems
    try:
        return problems + _check_audio(data, benchmark.load(data))
    except UserError as error:
        return [*problems, Problem(".", str(error))]


def _check_annotation(benchmark: Benchmark, data: Path, file: SourceFile) -> Problem | None:
    try:
        sha256 = hashlib.sha256((data / file.path).read_bytes()).hexdigest()
    except OSError:
        return Problem(file.path, f"missing: get it from {benchmark.source}")
    if file.sha256 in (None, sha256):
        return None
    return Problem(file.path, f"differs from revision {benchmark.revision}: figures are of another revision")


def _check_audio(data: Path, clips: list[Clip]) -> list[Problem]:
    """Return the missing and empty audio files, from one listing of each folder."""
    files = fsspec.filesystem("file")
    infos = FileInfoCache(lambda _: files)
    problems: list[Problem] = []
    for path in dict.fromkeys(clip.path for clip in clips):
        info = infos.look_up(str(data / path))
        if info["source_version"] == "missing":
            problems.append(Problem(path, "missing audio"))
        elif info["size"] == 0:
            problems.append(Problem(path, "empty audio: 0 bytes"))
    return problems
