"""What a protocol found for each item: scores of every class for each clip, or the figures of each query.

Every metric, interval and comparison is computed from these; they are kept in Parquet beside the `evaluations` table.
"""

import json
from dataclasses import dataclass

import numpy as np
import pyarrow as pa


@dataclass(frozen=True, slots=True)
class LabelScores:
    """Scores of N clips for C names: classes, or the numbers of a regression.

    `truth` [N, C] is bool (exactly one a row where `task` is multiclass) or float64 for a regression. `scores` [N, C]
    float32 are cosines, predicted numbers, or probabilities where `calibrated`.
    """

    task: str
    names: tuple[str, ...]
    ids: tuple[str, ...]
    truth: np.ndarray
    scores: np.ndarray
    calibrated: bool = False

    def labels(self, row: int) -> tuple[str, ...]:
        """Names that a clip has."""
        return tuple(name for name, has in zip(self.names, self.truth[row], strict=True) if has)

    def to_table(self) -> pa.Table:
        """Columns clip_id, truth and scores; the names in the schema's metadata."""
        about = {"task": self.task, "names": self.names, "calibrated": self.calibrated}
        columns = {"clip_id": pa.array(self.ids), "truth": _lists(self.truth), "scores": _lists(self.scores)}
        return pa.table(columns).replace_schema_metadata({"items": json.dumps(about)})


@dataclass(frozen=True, slots=True)
class Retrieved:
    """For Q queries over a gallery of `gallery` clips: each metric [Q] float64, and `rank`, that of the first hit.

    `relevant` are the clips that each query should find.
    """

    queries: tuple[str, ...]
    relevant: tuple[tuple[str, ...], ...]
    gallery: int
    values: dict[str, np.ndarray]

    @property
    def ids(self) -> tuple[str, ...]:
        """What a comparison is paired by."""
        return self.queries

    def to_table(self) -> pa.Table:
        """Columns query, relevant and one a metric."""
        columns = {"query": pa.array(self.queries), "relevant": pa.array(self.relevant, pa.list_(pa.string()))}
        columns |= {name: pa.array(row) for name, row in self.values.items()}
        return pa.table(columns).replace_schema_metadata({"items": json.dumps({"gallery": self.gallery})})


Items = LabelScores | Retrieved


def from_table(table: pa.Table) -> Items:
    """The items that `to_table` wrote."""
    about = json.loads(table.schema.metadata[b"items"])
    if "gallery" in about:
        values = {name: table[name].to_numpy() for name in table.column_names if name not in ("query", "relevant")}
        relevant = tuple(map(tuple, table["relevant"].to_pylist()))
        return Retrieved(tuple(table["query"].to_pylist()), relevant, about["gallery"], values)
    ids, names = tuple(table["clip_id"].to_pylist()), tuple(about["names"])
    truth, scores = (_matrix(table[name], len(ids), len(names)) for name in ("truth", "scores"))
    return LabelScores(about["task"], names, ids, truth, scores, about["calibrated"])


def _lists(rows: np.ndarray) -> pa.Array:
    return pa.FixedSizeListArray.from_arrays(pa.array(rows.ravel()), rows.shape[1])


def _matrix(column: pa.ChunkedArray, rows: int, width: int) -> np.ndarray:
    flat = column.combine_chunks().flatten()
    return flat.to_numpy(zero_copy_only=False).reshape(rows, width)
