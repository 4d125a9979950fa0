"""What is missing or broken below a benchmark's data folder, told file by file."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import fsspec

from lake.sources.manifest import FileInfos
from schemas.benchmarks import Benchmark, Clip, SourceFile
from schemas.errors import UserError


@dataclass(frozen=True, slots=True)
class Problem:
    """`path` is relative to the data folder; "." where no single file is at fault."""

    path: str
    what: str


def check(benchmark: Benchmark, data: Path) -> list[Problem]:
    """Missing, changed or broken annotation files, then missing or empty audio; empty where all is well."""
    problems = [problem for file in benchmark.files if (problem := _annotation(benchmark, data, file))]
    if any(problem.what.startswith("missing") for problem in problems):
        return problems
    try:
        return problems + _audio(data, benchmark.load(data))
    except UserError as error:
        return [*problems, Problem(".", str(error))]


def _annotation(benchmark: Benchmark, data: Path, file: SourceFile) -> Problem | None:
    try:
        found = hashlib.sha256((data / file.path).read_bytes()).hexdigest()
    except OSError:
        return Problem(file.path, f"missing: get it from {benchmark.source}")
    if file.sha256 in (None, found):
        return None
    return Problem(file.path, f"differs from revision {benchmark.revision}: figures are of another revision")


def _audio(data: Path, clips: list[Clip]) -> list[Problem]:
    """Folder by folder, one listing each."""
    files = fsspec.filesystem("file")
    infos = FileInfos(lambda _: files)
    problems: list[Problem] = []
    for path in dict.fromkeys(clip.path for clip in clips):
        info = infos.of(str(data / path))
        if info["source_version"] == "missing":
            problems.append(Problem(path, "missing audio"))
        elif info["size"] == 0:
            problems.append(Problem(path, "empty audio: 0 bytes"))
    return problems
