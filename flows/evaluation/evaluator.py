"""Evaluation of one encoder version on one benchmark by one protocol.

Vectors of the benchmark's clips -> predictions -> figures.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from flows.console.progress import with_progress
from flows.evaluation.benchmark_data import LoadedBenchmark
from lake.benchmarks.results import corpus_lake
from lake.storage.lake import Lake
from lake.storage.vectors import load_track_vectors
from schemas.benchmarks import Clip
from schemas.encoders import EncoderSpec
from schemas.errors import UserError
from schemas.evaluations import Evaluation, EvaluationKey, ProbeSpec, Protocol
from schemas.settings import Settings
from workers.encoders.registry import find_by_spec
from workers.evaluation.predictions import Predictions
from workers.evaluation.scoring import compute_figures, dropped_names, resample_count
from workers.metrics.bootstrap import METRIC_VERSION

if TYPE_CHECKING:
    from workers.evaluation.probe import ProbeData, ProbeResult


class Evaluator:
    """Evaluator of the clips that have a vector.

    `clips` are sorted by id; the vectors [N, dim] are in the same order. Raises UserError if a split
    that the protocol needs has no clip with a vector.
    """

    def __init__(self, loaded: LoadedBenchmark, spec: EncoderSpec, protocol: Protocol, settings: Settings) -> None:
        self._loaded, self._spec, self._protocol, self._settings = loaded, spec, protocol, settings
        self._expected = loaded.clips_for(protocol)
        clips = {clip.clip_id: clip for clip in self._expected}
        corpus = corpus_lake(Lake.at(settings.lake, settings.s3), loaded.corpus)
        vectors = load_track_vectors(corpus, spec, set(clips), protocol.inputs)
        self.clips, self._vectors = [clips[name] for name in vectors.track_ids], vectors.rows
        self.key = EvaluationKey(
            benchmark=loaded.benchmark.name,
            corpus=loaded.corpus,
            revision=loaded.benchmark.revision,
            split_hash=loaded.split_hash_for(protocol),
            protocol=protocol,
            embedding_version=spec.embedding_version,
            vectors_hash=vectors.digest,
            metric_version=METRIC_VERSION,
        )
        if empty := [split for split in protocol.splits if not self._rows(split)]:
            raise UserError(
                f"{loaded.benchmark.name}: no clip of {' and '.join(empty)} has a vector; "
                f"`tonelake benchmarks check {loaded.benchmark.name} --data DIR` says which files are missing"
            )

    def evaluate(self, run_id: str) -> tuple[Evaluation, pa.Table]:
        """Compute the figures; return them with the table of the predictions behind them.

        Raises UserError if the main metric is undefined on these clips.
        """
        predictions, probe = self._probe() if self._protocol.probes else (self._predict_from_text(), {})
        figures = compute_figures(predictions)
        main_metric = self._protocol.main_metric or self._loaded.benchmark.main_metric
        if main_metric not in {figure.metric for figure in figures}:
            raise UserError(
                f"{self._loaded.benchmark.name} cannot be judged by {self._protocol.name}: no class has test clips "
                "with it and others without it"
            )
        evaluation = Evaluation(
            key=self.key,
            encoder=self._spec.name,
            figures=figures,
            resamples=resample_count(predictions),
            coverage=self._coverage(),
            expected=len(self._expected),
            embedded=len(self.clips),
            main_metric=main_metric,
            run_id=run_id,
            dropped=dropped_names(predictions, self._queries()),
            chosen=probe,
            max_windows=self._spec.backbone.windows.limit,
        )
        return evaluation, predictions.to_table()

    def _predict_from_text(self) -> Predictions:
        """Classify or retrieve the clips by the encoder's text tower."""
        from workers.evaluation.zero_shot_retrieval import classify_zero_shot, retrieve_by_sentence, retrieve_by_tag

        load_text = find_by_spec(self._spec).load_text
        assert load_text is not None, "incompatibility_reason() refuses encoders without a text tower"
        tower = load_text(self._spec, self._settings.models)
        names, prompt = self._loaded.class_names, self._protocol.prompt
        if self._protocol.name == "zero-shot":
            return classify_zero_shot(self.clips, self._vectors, names, self._loaded.benchmark.task, tower, prompt)
        if self._protocol.name == "tag-retrieval":
            return retrieve_by_tag(self.clips, self._vectors, names, tower, prompt)
        return retrieve_by_sentence(self.clips, self._vectors, tower)

    def _probe(self) -> tuple[Predictions, dict[str, Any]]:
        """Train all probes of the protocol; return the best one's predictions and settings."""
        from workers.distributed.parallel_map import parallel_map
        from workers.evaluation.probe import probe_predictions, select_best_probe

        data = self._probe_data()
        jobs = [(spec, self._protocol.seed) for spec in self._protocol.probes]
        trained = parallel_map(_train_probe, data, jobs, self._settings)
        best = select_best_probe(list(with_progress(trained, f"{self._protocol.name} probes", len(jobs))))
        ids = tuple(self.clips[row].clip_id for row in self._rows("test"))
        probe = {name: getattr(best.spec, name) for name in ("hidden", "batch", "learning_rate", "dropout")}
        probe |= {"epochs": best.epochs, "valid": round(best.valid, 6)}
        return probe_predictions(self._loaded.class_names, ids, data, best), probe

    def _probe_data(self) -> "ProbeData":
        from workers.evaluation.probe import ProbeData
        from workers.evaluation.zero_shot_retrieval import label_matrix

        task = self._loaded.benchmark.task
        if task == "regression":
            truth = np.array([clip.targets for clip in self.clips], np.float64)
        else:
            truth = label_matrix(self.clips, self._loaded.class_names)
        rows = {split: self._rows(split) for split in self._protocol.splits}
        inputs = {split: self._vectors[indices] for split, indices in rows.items()}
        data = ProbeData(task, inputs, {split: truth[indices] for split, indices in rows.items()})
        return data.standardise() if self._protocol.inputs == "features" else data

    def _queries(self) -> tuple[str, ...]:
        """Return every query of a retrieval, also those that no clip with a vector answers."""
        if self._protocol.name == "sentence-retrieval":
            return tuple(dict.fromkeys(caption for clip in self._expected for caption in clip.captions))
        return self._loaded.class_names

    def _rows(self, split: str) -> list[int]:
        return [row for row, clip in enumerate(self.clips) if clip.split == split]

    def _coverage(self) -> float:
        """Return the lowest coverage of a split."""
        return min(_count(self.clips, split) / _count(self._expected, split) for split in self._protocol.splits)


def _count(clips: list[Clip], split: str) -> int:
    return sum(clip.split == split for clip in clips)


def _train_probe(data: "ProbeData", job: tuple[ProbeSpec, int]) -> "ProbeResult":
    """Train one probe, on a worker: torch is imported there."""
    from workers.evaluation.probe import train_probe

    return train_probe(data, *job)
