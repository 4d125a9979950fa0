"""Mutual nearest neighbours of about the same length, against a loop over every pair."""

import numpy as np
import pytest

from workers.metrics import pairs
from workers.metrics.neighbours import unit_rows
from workers.metrics.pairs import LengthIndex, keep_mutual


def find_pairs(rows, seconds, tolerance, cosine):
    by_length = LengthIndex.build(rows, seconds, tolerance)
    assert [block[0] for block in by_length.blocks] == [0, *(block[1] for block in by_length.blocks[:-1])][: len(rows)]
    mutual = keep_mutual([by_length.search(block, cosine) for block in by_length.blocks], len(rows))
    return dict(
        zip(zip(mutual.left.tolist(), mutual.right.tolist(), strict=True), mutual.cosines.tolist(), strict=True)
    )


def find_pairs_plainly(rows, seconds, tolerance, cosine):
    lists = []
    for row in range(len(rows)):
        near = [
            (-float(rows[row] @ rows[other]), other)
            for other in range(len(rows))
            if other != row and abs(seconds[row] - seconds[other]) <= tolerance
        ]
        lists.append({other: -score for score, other in sorted(near)[: pairs.MAX_NEIGHBOURS] if -score >= cosine})
    return {
        (row, other): score
        for row in range(len(rows))
        for other, score in lists[row].items()
        if row < other and row in lists[other]
    }


@pytest.mark.parametrize("tolerance", [0.0, 2.0, 1000.0])
@pytest.mark.parametrize("block", [7, 1024])
def test_the_pairs_are_those_of_a_plain_loop(tolerance, block, monkeypatch):
    monkeypatch.setattr(pairs, "BLOCK_ROWS", block)
    rng = np.random.default_rng(0)
    rows, seconds = unit_rows(rng.standard_normal((120, 6))), rng.integers(0, 30, 120).astype(float)
    result, plain = find_pairs(rows, seconds, tolerance, 0.3), find_pairs_plainly(rows, seconds, tolerance, 0.3)
    assert result.keys() == plain.keys()
    assert result == pytest.approx(plain, abs=1e-6)
    assert len(plain) > 20


def test_few_rows():
    assert find_pairs(np.zeros((0, 4), np.float32), np.zeros(0), 5, 0.5) == {}
    assert find_pairs(np.eye(1, 4, dtype=np.float32), np.ones(1), 5, 0.5) == {}
    assert find_pairs(np.ones((2, 1), np.float32), np.ones(2), 5, 0.5) == {(0, 1): 1.0}
