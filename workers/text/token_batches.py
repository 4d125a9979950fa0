"""Batches of texts of equal length: none is padded or depends on its neighbours."""

from collections.abc import Iterator, Sequence

import numpy as np

BATCH = 64


def batches_of_equal_length(tokens: Sequence[Sequence[int]]) -> Iterator[tuple[list[int], np.ndarray]]:
    """Yield batches of at most 64 texts: their rows, and their tokens [n, T] int64."""
    for length in sorted({len(ids) for ids in tokens}):
        rows = [row for row, ids in enumerate(tokens) if len(ids) == length]
        for start in range(0, len(rows), BATCH):
            batch_rows = rows[start : start + BATCH]
            yield batch_rows, np.array([tokens[row] for row in batch_rows], np.int64)
