"""Evaluation of descriptions.

The files of a benchmark -> tempo or key -> figures in the table `evaluations`.
"""

import hashlib
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from flows.console.progress import ProgressReporter, TaskWrapper, with_progress
from flows.evaluation.benchmark_data import LoadedBenchmark
from flows.evaluation.describe_files import DescribeFiles
from flows.evaluation.figures import EvaluatedFigure
from flows.evaluation.request import EvaluateRequest
from flows.evaluation.stored_evaluations import evaluate_if_new
from lake.catalogue.runs import RunRecord, new_run_id
from lake.storage.lake import Lake
from lake.storage.lease import Lease, LeaseName
from schemas.audio import UNREADABLE
from schemas.benchmarks import Clip
from schemas.descriptions import DESCRIPTION_VERSION, Description
from schemas.errors import UserError
from schemas.evaluations import Evaluation, EvaluationKey
from schemas.runs import CoverageError
from schemas.settings import Settings
from workers.evaluation.descriptions import judge_descriptions
from workers.evaluation.protocols import find_protocol, incompatibility_reason
from workers.evaluation.scoring import compute_figures, resample_count
from workers.metrics.bootstrap import METRIC_VERSION

SYSTEM = "description"  # what stands in the place of an encoder's name
MISSING = "missing"
UNLABELLED = "unlabelled"


@dataclass(frozen=True, slots=True)
class DescriptionRun:
    """One benchmark of tempo or key for today's descriptions: a run of the table `runs`."""

    loaded: LoadedBenchmark
    request: EvaluateRequest
    settings: Settings
    describe_files: DescribeFiles

    def __post_init__(self) -> None:
        """Refuse a named protocol that does not fit, and a folder without audio.

        Raises UserError.
        """
        benchmark = self.loaded.benchmark
        for name in self.request.protocols:
            if reason := incompatibility_reason(find_protocol(name), benchmark.task, self.loaded.clips, False):
                raise UserError(f"cannot judge descriptions on {benchmark.name} by {name}: {reason}")
        if not any((self.loaded.data / clip.path).exists() for clip in self.loaded.clips if _is_labelled(clip)):
            raise UserError(
                f"{benchmark.name}: no audio file such as {self.loaded.clips[0].path} is below {self.loaded.data}; "
                f"get them from {benchmark.source}"
            )

    def evaluate(self, progress: ProgressReporter, task: TaskWrapper) -> list[EvaluatedFigure]:
        """Describe the clips and compute the figures, unless nothing has changed since an earlier run."""
        benchmark = self.loaded.benchmark
        lake, run_id = Lake.at(self.settings.lake, self.settings.s3), new_run_id()
        arguments = asdict(self.request) | {"sources": [benchmark.name]}
        with (
            Lease(lake, LeaseName.EVALUATIONS, run_id, progress.log) as lease,
            RunRecord(lake, run_id, "evaluate", None, arguments) as record,
        ):
            evaluator = DescriptionEvaluator(self.loaded, self.settings, self.describe_files)
            title, compute = f"{benchmark.name}, {benchmark.task}", partial(task(evaluator.evaluate), run_id)
            figures = evaluate_if_new(
                lake, lease, evaluator.key, title, len(evaluator.files), compute, pending=0, log=progress.log
            )
            record.finish(coverage_counts(figures[0].row.expected, figures[0].row.dropped))
            return figures


def coverage_counts(expected: int, dropped: Sequence[str]) -> dict[str, Any]:
    """Count a run's clips: expected = judged + quarantined + missing.

    `dropped` are those of an `Evaluation`. Clips that are `unlabelled` are not expected.
    """
    reasons = Counter(entry.rsplit(": ", 1)[1] for entry in dropped)
    missing, unlabelled = reasons.pop(MISSING, 0), reasons.pop(UNLABELLED, 0)
    quarantined = reasons.total()
    return {
        "expected": expected,
        "judged": expected - quarantined - missing,
        "quarantined": quarantined,
        "missing": missing,
        "unlabelled": unlabelled,
        "reasons": dict(reasons),
    }


class DescriptionEvaluator:
    """Evaluator of the clips that have a true tempo or key.

    `files` maps the paths of those that can be read to their clips.
    """

    def __init__(self, loaded: LoadedBenchmark, settings: Settings, describe_files: DescribeFiles) -> None:
        self._loaded, self._settings, self._describe_files = loaded, settings, describe_files
        benchmark, protocol = loaded.benchmark, find_protocol(loaded.benchmark.task)
        clips = loaded.clips_for(protocol)
        self._expected = [clip for clip in clips if _is_labelled(clip)]
        self._reasons = {clip.clip_id: UNLABELLED for clip in clips if not _is_labelled(clip)}
        hashes = self._hash_files()
        self.files = {loaded.data / clip.path: clip for clip in self._expected if clip.clip_id in hashes}
        content = [sorted(hashes.items()), sorted(settings.accept)]
        self.key = EvaluationKey(
            benchmark=benchmark.name,
            corpus=loaded.corpus,
            revision=benchmark.revision,
            split_hash=loaded.split_hash_for(protocol),
            protocol=protocol,
            embedding_version=DESCRIPTION_VERSION,
            vectors_hash=hashlib.sha256(repr(content).encode()).hexdigest()[:16],
            metric_version=METRIC_VERSION,
        )

    def evaluate(self, run_id: str) -> tuple[Evaluation, pa.Table]:
        """Describe the files and compute the figures.

        Returns them with the table of the results behind them. Raises UserError if no file can be described.
        """
        benchmark, descriptions = self._loaded.benchmark, self._describe()
        clips = [clip for clip in self._expected if clip.clip_id in descriptions]
        if not clips:
            raise UserError(f"{benchmark.name}: no file can be described, such as {self._dropped()[0]}")
        results = judge_descriptions(benchmark.task, clips, [descriptions[clip.clip_id] for clip in clips])
        evaluation = Evaluation(
            key=self.key,
            encoder=SYSTEM,
            figures=compute_figures(results),
            resamples=resample_count(results),
            coverage=len(clips) / len(self._expected),
            expected=len(self._expected),
            embedded=len(clips),
            main_metric=benchmark.main_metric,
            run_id=run_id,
            dropped=self._dropped(),
        )
        return evaluation, results.to_table()

    def _hash_files(self) -> dict[str, str]:
        """Return the content hash of each file, by clip id.

        Note why the other clips have none.
        """
        paths = [self._loaded.data / clip.path for clip in self._expected]
        with ThreadPoolExecutor() as pool:
            hashes = list(with_progress(pool.map(_hash_file, paths), "reading audio files", len(paths)))
        by_clip = {clip.clip_id: result for clip, result in zip(self._expected, hashes, strict=True)}
        self._reasons |= {name: result for name, result in by_clip.items() if result in (MISSING, UNREADABLE)}
        return {name: result for name, result in by_clip.items() if name not in self._reasons}

    def _describe(self) -> dict[str, Description]:
        """Return the descriptions by clip id.

        Note why the other files have none. Raises CoverageError if a file is left out.
        """
        descriptions: dict[str, Description] = {}
        described = self._describe_files(tuple(self.files), self._settings)
        for file in with_progress(described, "describing clips", len(self.files)):
            clip_id = self.files[file.path].clip_id
            if file.description is None:
                self._reasons[clip_id] = file.reason or UNREADABLE
            else:
                descriptions[clip_id] = file.description
        if lost := {clip.clip_id for clip in self._expected} - descriptions.keys() - self._reasons.keys():
            raise CoverageError(f"{len(lost)} files have neither a description nor a reason, such as {min(lost)}")
        return descriptions

    def _dropped(self) -> tuple[str, ...]:
        """Return the clips that are not judged, as "ID: reason", sorted by reason."""
        pairs = sorted((reason, name) for name, reason in self._reasons.items())
        return tuple(f"{name}: {reason}" for reason, name in pairs)


def _is_labelled(clip: Clip) -> bool:
    return bool(clip.labels or clip.targets)


def _hash_file(path: Path) -> str:
    """Return the sha256 of a file's bytes, or the reason why it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return MISSING
    except OSError:
        return UNREADABLE
