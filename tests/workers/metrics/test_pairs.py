"""Mutual nearest neighbours of about one length, beside a loop over every pair."""

import numpy as np
import pytest

from workers.metrics import pairs
from workers.metrics.neighbours import unit_rows
from workers.metrics.pairs import ByLength, mutual


def found(rows, seconds, tolerance, cosine):
    by_length = ByLength.of(rows, seconds, tolerance)
    assert [block[0] for block in by_length.blocks] == [0, *(block[1] for block in by_length.blocks[:-1])][: len(rows)]
    told = mutual([by_length.nearest(block, cosine) for block in by_length.blocks], len(rows))
    return dict(zip(zip(told.left.tolist(), told.right.tolist(), strict=True), told.cosines.tolist(), strict=True))


def plainly(rows, seconds, tolerance, cosine):
    lists = []
    for one in range(len(rows)):
        near = [
            (-float(rows[one] @ rows[other]), other)
            for other in range(len(rows))
            if other != one and abs(seconds[one] - seconds[other]) <= tolerance
        ]
        lists.append({other: -score for score, other in sorted(near)[: pairs.NEAREST] if -score >= cosine})
    return {
        (one, other): score
        for one in range(len(rows))
        for other, score in lists[one].items()
        if one < other and one in lists[other]
    }


@pytest.mark.parametrize("tolerance", [0.0, 2.0, 1000.0])
@pytest.mark.parametrize("block", [7, 1024])
def test_the_pairs_are_those_of_a_plain_loop(tolerance, block, monkeypatch):
    monkeypatch.setattr(pairs, "BLOCK_ROWS", block)
    rng = np.random.default_rng(0)
    rows, seconds = unit_rows(rng.standard_normal((120, 6))), rng.integers(0, 30, 120).astype(float)
    ours, plain = found(rows, seconds, tolerance, 0.3), plainly(rows, seconds, tolerance, 0.3)
    assert ours.keys() == plain.keys()
    assert ours == pytest.approx(plain, abs=1e-6)
    assert len(plain) > 20


def test_few_rows():
    assert found(np.zeros((0, 4), np.float32), np.zeros(0), 5, 0.5) == {}
    assert found(np.eye(1, 4, dtype=np.float32), np.ones(1), 5, 0.5) == {}
    assert found(np.ones((2, 1), np.float32), np.ones(2), 5, 0.5) == {(0, 1): 1.0}
