"""Copies: tracks that are one recording, in one encode or several.

`tonelake duplicates` compares the sound of a whole lake. Here a few candidates are compared by what the lake knows.
"""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from lake.catalogue.audio_facts import read_fingerprints
from lake.storage.arrow import factorize
from lake.storage.lake import Lake
from lake.storage.vectors import to_matrix
from schemas.audio import MAX_BIT_ERROR_RATE
from workers.metrics.neighbours import unit_rows

COLUMNS = ("content_sha256", "duration_s", "vector")
# Fingerprints decide for pairs that are as near as this, which are those that `tonelake duplicates` compares.
CANDIDATE_COSINE, CANDIDATE_SECONDS = 0.8, 5.0
# Where a fingerprint is unknown, these decide: docs/search.md has the measurements.
COSINE, SECONDS = 0.995, 1.0
_BLOCK_ROWS = 512


def find_originals(lake: Lake, rows: pa.Table) -> np.ndarray:
    """Return for each row the row that it is a copy of, int [N].

    A row that is no copy has its own number; a copy follows its original. `rows` have COLUMNS. Copies have equal
    bytes. Otherwise their vectors are near and their lengths about equal, and their fingerprints say so; where one is
    unknown, vectors and lengths decide alone.
    """
    contents = factorize(rows["content_sha256"])
    vectors = unit_rows(to_matrix(rows["vector"]))
    seconds = rows["duration_s"].to_numpy()
    blocks = [_near_pairs(vectors, seconds, contents, start) for start in range(0, len(rows), _BLOCK_ROWS)]
    left, right = (np.concatenate([np.zeros(0, int), *(block[side] for block in blocks)]) for side in (0, 1))
    cosines = np.concatenate([np.zeros(0, np.float32), *(block[2] for block in blocks)])
    same = (contents[left] == contents[right]) & (contents[left] >= 0)
    equal = same | ((cosines >= COSINE) & (np.abs(seconds[left] - seconds[right]) <= SECONDS))
    names = rows["content_sha256"].to_pylist()
    for pair, is_equal in _compare_fingerprints(lake, names, left, right, np.flatnonzero(~same)):
        equal[pair] = is_equal
    return first_equals(len(rows), left[equal], right[equal])


def first_equals(count: int, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return for each row the first original that it equals, int [count].

    An original equals none before it, and has its own number. The pairs `left` [P] < `right` [P] are equal. They need
    not be transitive: a row is compared with originals only.
    """
    originals = np.arange(count)
    for pair in np.lexsort((left, right)):
        if originals[left[pair]] == left[pair] and originals[right[pair]] == right[pair]:
            originals[right[pair]] = left[pair]
    return originals


def _near_pairs(
    vectors: np.ndarray, seconds: np.ndarray, contents: np.ndarray, start: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return left row, right row and cosine of pairs that may be copies.

    Each is [P]. The right row is of the block that begins at `start`, the left one is before it.
    """
    block = slice(start, min(start + _BLOCK_ROWS, len(vectors)))
    apart = np.abs(seconds[block, None] - seconds[: block.stop])
    cosines = vectors[block] @ vectors[: block.stop].T
    near = (cosines >= CANDIDATE_COSINE) & (apart <= CANDIDATE_SECONDS)
    near |= (contents[block, None] == contents[: block.stop]) & (contents[: block.stop] >= 0)
    right, left = np.nonzero(np.tril(near, start - 1))
    return left, right + start, cosines[right, left]


def _compare_fingerprints(
    lake: Lake, contents: list[str | None], left: np.ndarray, right: np.ndarray, pairs: np.ndarray
) -> Iterator[tuple[int, bool]]:
    """Yield the number of a pair, and whether it is one recording.

    Pairs without two stored fingerprints are left out.
    """
    names = sorted({contents[row] for row in {*left[pairs], *right[pairs]}} - {None})
    stored = read_fingerprints(lake, names) if names else {}
    if not stored:
        return
    from workers.audio.fingerprint import bit_error_rate, is_current  # decoding libraries

    prints = {name: data for name, data in stored.items() if is_current(data)}
    has_print = np.array([name in prints for name in contents])
    for pair in pairs[has_print[left[pairs]] & has_print[right[pairs]]].tolist():
        first, second = prints[contents[left[pair]]], prints[contents[right[pair]]]
        yield pair, bit_error_rate(first, second, CANDIDATE_SECONDS + 1) <= MAX_BIT_ERROR_RATE
