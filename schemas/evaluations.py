"""Evaluations: protocols, figures and the columns of the table `evaluations`."""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from typing import Any

import pyarrow as pa

from schemas.benchmarks import Clip
from schemas.tables import key

COMPLETE_COVERAGE = 0.99  # a score over a smaller part of a split's clips is marked partial

# Metrics for which less is better; ranks count from 1.
LOWER_IS_BETTER = ("median_rank", "ece")


@dataclass(frozen=True, slots=True)
class ProbeSpec:
    """One way to train a probe on frozen vectors; `hidden` None is a linear probe.

    `schedule` is "cosine" over all epochs, or "plateau": the learning rate drops to a tenth when the validation figure
    did not improve for three epochs. Training stops after `patience` epochs without improvement of `judged_by`.
    """

    hidden: int | None
    batch: int
    learning_rate: float
    dropout: float
    epochs: int = 200
    patience: int = 20
    schedule: str = "cosine"
    judged_by: str = "loss"


@dataclass(frozen=True, slots=True)
class Protocol:
    """How vectors are evaluated. Everything here is part of an evaluation's identity.

    `splits` are the splits whose clips it needs. `prompt` has a {} in place of the tag. `inputs` of a probe are the
    searched "vectors" or the backbone's "features"; descriptions are judged on "audio". The one of `probes` that is
    best on the validation split is scored on the test split. `main_metric` None is the benchmark's own.
    """

    name: str
    splits: tuple[str, ...]
    main_metric: str | None = None
    needs_text: bool = False
    prompt: str = "{}"
    inputs: str = "vectors"
    probes: tuple[ProbeSpec, ...] = ()
    seed: int = 0

    def uses(self, clip: Clip) -> bool:
        """Tell whether it needs this clip; sentence retrieval uses only clips with captions."""
        return clip.split in self.splits and (self.name != "sentence-retrieval" or bool(clip.captions))

    def to_json(self) -> str:
        """Return canonical JSON."""
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class Figure:
    """A metric's value with its 95 % bootstrap interval, if it has one."""

    metric: str
    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class EvaluationKey:
    """All that a figure depends on: if nothing here changed, nothing is computed again.

    If descriptions are judged, `embedding_version` is their description_version, and `vectors_hash` that of the audio.
    """

    benchmark: str
    corpus: str  # the lake that holds the clips' vectors
    revision: str
    split_hash: str  # hash of the clips, their labels and all classes
    protocol: Protocol
    embedding_version: str
    vectors_hash: str  # hash of the clips that have vectors, and of their audio
    metric_version: int

    @property
    def evaluation_id(self) -> str:
        """The first 16 hex digits of the sha256 of canonical JSON."""
        text = json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One benchmark under one protocol for one encoder version.

    `coverage` is that of the split that lacks the most clips. `dropped` are the classes or queries that no figure
    counts: they have no positives, no negatives, or no clip with a vector. If descriptions are judged, `encoder` is
    "description", `embedded` counts the clips that were described, and `dropped` are the other clips, as "ID: reason".
    """

    key: EvaluationKey
    encoder: str
    figures: tuple[Figure, ...]
    coverage: float
    expected: int
    embedded: int
    main_metric: str
    run_id: str
    resamples: int
    dropped: tuple[str, ...] = ()
    chosen: dict[str, Any] = field(default_factory=dict)  # the probe that was best on the validation split
    max_windows: int | None = None

    @property
    def partial(self) -> bool:
        """Whether clips are missing, so that it cannot be compared with a complete one."""
        return self.coverage < COMPLETE_COVERAGE

    def rows(self) -> list[dict[str, Any]]:
        """Return the rows of the table, one a metric."""
        common = {
            "evaluation_id": self.key.evaluation_id,
            "run_id": self.run_id,
            "benchmark": self.key.benchmark,
            "revision": self.key.revision,
            "split_hash": self.key.split_hash,
            "protocol": self.key.protocol.name,
            "prompt": self.key.protocol.prompt if self.key.protocol.needs_text else None,
            "inputs": self.key.protocol.inputs,
            "parameters": self.key.protocol.to_json(),
            "chosen": json.dumps(self.chosen) if self.chosen else None,
            "encoder": self.encoder,
            "corpus": self.key.corpus,
            "embedding_version": self.key.embedding_version,
            "max_windows": self.max_windows,
            "vectors_hash": self.key.vectors_hash,
            "metric_version": self.key.metric_version,
            "coverage": self.coverage,
            "expected": self.expected,
            "embedded": self.embedded,
            "partial": self.partial,
            "resamples": self.resamples,
            "dropped": list(self.dropped),
        }
        return [
            common
            | asdict(figure)
            | {"key": f"{self.key.evaluation_id}@{figure.metric}", "is_main": figure.metric == self.main_metric}
            for figure in self.figures
        ]


EVALUATIONS = pa.schema(
    [
        key("key"),  # evaluation_id@metric
        pa.field("evaluation_id", pa.string()),
        pa.field("run_id", pa.string()),
        pa.field("at", pa.timestamp("us", tz="UTC")),
        pa.field("confirmed_at", pa.timestamp("us", tz="UTC")),  # when an evaluation last confirmed it
        pa.field("benchmark", pa.string()),
        pa.field("revision", pa.string()),
        pa.field("split_hash", pa.string()),
        pa.field("protocol", pa.string()),
        pa.field("prompt", pa.string()),
        pa.field("inputs", pa.string()),
        pa.field("parameters", pa.string()),  # JSON of the protocol
        pa.field("chosen", pa.string()),  # JSON of the probe that was scored
        pa.field("encoder", pa.string()),
        pa.field("corpus", pa.string()),
        pa.field("embedding_version", pa.string()),
        pa.field("max_windows", pa.int32()),  # at most so many windows a track; null: all
        pa.field("vectors_hash", pa.string()),
        pa.field("metric", pa.string()),
        pa.field("metric_version", pa.int32()),
        pa.field("is_main", pa.bool_()),
        pa.field("value", pa.float64()),
        pa.field("low", pa.float64()),
        pa.field("high", pa.float64()),
        pa.field("coverage", pa.float64()),
        pa.field("expected", pa.int64()),
        pa.field("embedded", pa.int64()),
        pa.field("partial", pa.bool_()),
        pa.field("resamples", pa.int32()),  # of the bootstrap that gives the interval
        pa.field("dropped", pa.list_(pa.string())),
    ]
)
