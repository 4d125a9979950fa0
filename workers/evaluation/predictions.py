"""The predictions of a protocol.

They are scores of every class for each clip, metrics of each query, or metrics of each described clip. Every metric,
interval and comparison is computed from them. They are stored in Parquet beside the `evaluations` table.
"""

import json
from dataclasses import dataclass

import numpy as np
import pyarrow as pa


@dataclass(frozen=True, slots=True)
class LabelScores:
    """Scores of N clips for C names: classes, or the targets of a regression.

    `truth` [N, C] is bool (exactly one True in a row if `task` is multiclass), or float64 for a regression. `scores`
    [N, C] float32 are cosines, predicted numbers, or probabilities if `calibrated`.
    """

    task: str
    names: tuple[str, ...]
    ids: tuple[str, ...]
    truth: np.ndarray
    scores: np.ndarray
    calibrated: bool = False

    def labels(self, row: int) -> tuple[str, ...]:
        """Return the names that the clip at `row` has."""
        return tuple(name for name, has_label in zip(self.names, self.truth[row], strict=True) if has_label)

    def to_table(self) -> pa.Table:
        """Return a table of clip_id, truth and scores, with the names in the schema's metadata."""
        metadata = {"task": self.task, "names": self.names, "calibrated": self.calibrated}
        columns = {"clip_id": pa.array(self.ids), "truth": _to_lists(self.truth), "scores": _to_lists(self.scores)}
        return pa.table(columns).replace_schema_metadata({"items": json.dumps(metadata)})


@dataclass(frozen=True, slots=True)
class RetrievalResults:
    """Results of Q queries over a gallery of `gallery` clips.

    `relevant` are the ids of the clips that each query should find. `values` holds each metric [Q] float64, and
    "rank" [Q], the rank of the first relevant clip.
    """

    queries: tuple[str, ...]
    relevant: tuple[tuple[str, ...], ...]
    gallery: int
    values: dict[str, np.ndarray]

    @property
    def ids(self) -> tuple[str, ...]:
        """The queries: comparisons pair results by them."""
        return self.queries

    def to_table(self) -> pa.Table:
        """Return a table of query, relevant and a column for each metric."""
        columns = {"query": pa.array(self.queries), "relevant": pa.array(self.relevant, pa.list_(pa.string()))}
        columns |= {name: pa.array(values) for name, values in self.values.items()}
        return pa.table(columns).replace_schema_metadata({"items": json.dumps({"gallery": self.gallery})})


@dataclass(frozen=True, slots=True)
class DescriptionResults:
    """Results of N clips whose descriptions were compared with the truth.

    `truth` and `answers` are tempi or keys as text; an answer is None where the description tells none. `values` holds
    each metric [N] float64; the figures are their means.
    """

    ids: tuple[str, ...]
    truth: tuple[str, ...]
    answers: tuple[str | None, ...]
    values: dict[str, np.ndarray]

    def to_table(self) -> pa.Table:
        """Return a table of clip_id, truth, answer and a column for each metric."""
        columns = {"clip_id": self.ids, "truth": self.truth, "answer": self.answers}
        table = pa.table({name: pa.array(texts, pa.string()) for name, texts in columns.items()})
        for name, values in self.values.items():
            table = table.append_column(name, pa.array(values))
        return table.replace_schema_metadata({"items": json.dumps({"metrics": list(self.values)})})


Predictions = LabelScores | RetrievalResults | DescriptionResults


def from_table(table: pa.Table) -> Predictions:
    """Return the predictions that `to_table` wrote."""
    metadata = json.loads(table.schema.metadata[b"items"])
    if "gallery" in metadata:
        values = {name: table[name].to_numpy() for name in table.column_names if name not in ("query", "relevant")}
        relevant = tuple(map(tuple, table["relevant"].to_pylist()))
        return RetrievalResults(tuple(table["query"].to_pylist()), relevant, metadata["gallery"], values)
    if "metrics" in metadata:
        ids, truth, answers = (tuple(table[name].to_pylist()) for name in ("clip_id", "truth", "answer"))
        return DescriptionResults(ids, truth, answers, {name: table[name].to_numpy() for name in metadata["metrics"]})
    ids, names = tuple(table["clip_id"].to_pylist()), tuple(metadata["names"])
    truth, scores = (_to_matrix(table[name], len(ids), len(names)) for name in ("truth", "scores"))
    return LabelScores(metadata["task"], names, ids, truth, scores, metadata["calibrated"])


def _to_lists(matrix: np.ndarray) -> pa.Array:
    return pa.FixedSizeListArray.from_arrays(pa.array(matrix.ravel()), matrix.shape[1])


def _to_matrix(column: pa.ChunkedArray, rows: int, width: int) -> np.ndarray:
    flat = column.combine_chunks().flatten()
    return flat.to_numpy(zero_copy_only=False).reshape(rows, width)
