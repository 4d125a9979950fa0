"""One benchmark, one encoder version, one protocol: vectors from the benchmark's lake -> items and figures."""

from typing import Any

import numpy as np
import pyarrow as pa

from flows.console.progress import track
from flows.evaluation.benchmark_data import Subject
from lake.benchmarks.results import corpus_lake
from lake.storage.lake import Lake
from lake.storage.vectors import track_vectors
from schemas.benchmarks import Clip
from schemas.encoders import EncoderSpec
from schemas.errors import UserError
from schemas.evaluations import Evaluation, EvaluationKey, Protocol
from schemas.settings import Settings
from workers.encoders.registry import entry_of
from workers.evaluation.predictions import Items
from workers.evaluation.scoring import dropped, figures, resample_count
from workers.metrics.bootstrap import METRIC_VERSION


class Judge:
    """Holds the clips that have a vector, sorted by id, and the vectors [N, dim] in the same order."""

    def __init__(self, subject: Subject, spec: EncoderSpec, protocol: Protocol, settings: Settings) -> None:
        self._subject, self._spec, self._protocol, self._settings = subject, spec, protocol, settings
        self._wanted = subject.asked(protocol)
        clips = {clip.clip_id: clip for clip in self._wanted}
        corpus = corpus_lake(Lake.at(settings.lake, settings.s3), subject.corpus)
        held = track_vectors(corpus, spec, set(clips), protocol.inputs)
        self.clips, self._vectors = [clips[name] for name in held.track_ids], held.rows
        self.key = EvaluationKey(
            benchmark=subject.benchmark.name,
            corpus=subject.corpus,
            revision=subject.benchmark.revision,
            split_hash=subject.hash_of(protocol),
            protocol=protocol,
            embedding_version=spec.embedding_version,
            vectors_hash=held.digest,
            metric_version=METRIC_VERSION,
        )
        if empty := [split for split in protocol.splits if not self._rows(split)]:
            raise UserError(
                f"{subject.benchmark.name}: no clip of {' and '.join(empty)} has a vector; "
                f"`tonelake benchmarks check {subject.benchmark.name} --data DIR` says which files are missing"
            )

    def judged(self, run_id: str) -> tuple[Evaluation, pa.Table]:
        """Computes the figures, with the items that they were computed from."""
        items, chosen = self._probed() if self._protocol.probes else (self._asked(), {})
        found, main = figures(items), self._protocol.main_metric or self._subject.benchmark.main_metric
        if main not in {figure.metric for figure in found}:
            raise UserError(
                f"{self._subject.benchmark.name} cannot be judged by {self._protocol.name}: no class has test clips "
                "with it and others without it"
            )
        return Evaluation(
            key=self.key,
            encoder=self._spec.name,
            figures=found,
            resamples=resample_count(items),
            coverage=self._coverage(),
            expected=len(self._wanted),
            embedded=len(self.clips),
            main_metric=main,
            run_id=run_id,
            dropped=dropped(items, self._queries()),
            chosen=chosen,
            chunks=self._spec.backbone.windows.limit,
        ), items.to_table()

    def _asked(self) -> Items:
        from workers.evaluation.zero_shot_retrieval import sentence_retrieval, tag_retrieval, zero_shot

        load = entry_of(self._spec).load_text
        assert load is not None, "obstacle() has refused encoders without a text tower"
        tower, names, task = load(self._spec, self._settings.models), self._subject.names, self._subject.benchmark.task
        if self._protocol.name == "zero-shot":
            return zero_shot(self.clips, self._vectors, names, task, tower, self._protocol.prompt)
        if self._protocol.name == "tag-retrieval":
            return tag_retrieval(self.clips, self._vectors, names, tower, self._protocol.prompt)
        return sentence_retrieval(self.clips, self._vectors, tower)

    def _probed(self) -> tuple[Items, dict[str, Any]]:
        from workers.distributed.cluster import each
        from workers.evaluation.probe import best_probe, probe_items

        data = self._probe_data()
        jobs = [(spec, self._protocol.seed) for spec in self._protocol.probes]
        trained = each(_train, data, jobs, self._settings)
        best = best_probe(list(track(trained, f"{self._protocol.name} probes", len(jobs))))
        ids = tuple(self.clips[row].clip_id for row in self._rows("test"))
        told = {name: getattr(best.spec, name) for name in ("hidden", "batch", "learning_rate", "dropout")}
        chosen = told | {"epochs": best.epochs, "valid": round(best.valid, 6)}
        return probe_items(self._subject.names, ids, data, best), chosen

    def _probe_data(self) -> Any:
        from workers.evaluation.probe import ProbeData
        from workers.evaluation.zero_shot_retrieval import label_matrix

        task, splits = self._subject.benchmark.task, self._protocol.splits
        if task == "regression":
            truth = np.array([clip.targets for clip in self.clips], np.float64)
        else:
            truth = label_matrix(self.clips, self._subject.names)
        rows = {split: self._rows(split) for split in splits}
        data = ProbeData(
            task,
            {name: self._vectors[at] for name, at in rows.items()},
            {name: truth[at] for name, at in rows.items()},
        )
        return data.standardised() if self._protocol.inputs == "features" else data

    def _queries(self) -> tuple[str, ...]:
        """All that a retrieval should ask, whether a clip that answers it has a vector or not."""
        if self._protocol.name == "sentence-retrieval":
            return tuple(dict.fromkeys(caption for clip in self._wanted for caption in clip.captions))
        return self._subject.names

    def _rows(self, split: str) -> list[int]:
        return [row for row, clip in enumerate(self.clips) if clip.split == split]

    def _coverage(self) -> float:
        """Of the split that lacks most."""
        return min(_count(self.clips, split) / _count(self._wanted, split) for split in self._protocol.splits)


def _count(clips: list[Clip], split: str) -> int:
    return sum(clip.split == split for clip in clips)


def _train(data: Any, job: tuple[Any, int]) -> Any:
    """On a worker: torch is imported there."""
    from workers.evaluation.probe import train_probe

    return train_probe(data, *job)
