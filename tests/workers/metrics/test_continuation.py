"""R-precision, nDCG and clicks of continued playlists: by hand, from the formulas, against torchmetrics, in halves."""

import math

import numpy as np
import pytest
import torch
from torchmetrics.functional.retrieval import retrieval_normalized_dcg

from workers.metrics.continuation import clicks, ndcg, r_precision

TRACKS, LENGTH = 300, 50


@pytest.fixture(scope="module")
def examples():
    """Draw 40 lists of 50, some cut short, and 1 to 70 withheld tracks each; artists of 30, some unknown."""
    random = np.random.default_rng(0)
    lists = np.stack([random.permutation(TRACKS)[:LENGTH] for _ in range(40)])
    lists[::5, 30:] = -1
    withheld = [random.permutation(TRACKS)[: random.integers(1, 71)] for _ in lists]
    return lists, withheld, random.integers(-1, 30, TRACKS)


def follow_formulas(row, wanted, artists):
    """Compute R-precision, nDCG and clicks as the formulas are written."""
    row = [track for track in row.tolist() if track >= 0]
    wanted = set(wanted.tolist())
    first = set(row[: len(wanted)])
    found_artists = {artists[track] for track in first} & {artists[track] for track in wanted} - {-1}
    precision = (len(first & wanted) + 0.25 * len(found_artists)) / len(wanted)
    gain = sum(1 / math.log2(rank + 1) for rank, track in enumerate(row, 1) if track in wanted)
    ideal = sum(1 / math.log2(rank + 1) for rank in range(1, min(len(wanted), LENGTH) + 1))
    seen = [rank for rank, track in enumerate(row, 1) if track in wanted]
    return precision, gain / ideal, (seen[0] - 1) // 10 if seen else LENGTH // 10 + 1


def test_by_hand():
    artists = np.array([0, 0, 1, 1, -1, -1])
    lists, withheld = np.array([[0, 2, 4, 1]]), [np.array([1, 3, 4])]
    # Of the first three, track 4 is right; artists 0 and 1 match, and the artists of 4 and 5 are unknown.
    assert r_precision(lists, withheld, artists)[0] == pytest.approx((1 + 0.25 * 2) / 3)
    assert ndcg(lists, withheld)[0] == pytest.approx((1 / 2 + 1 / math.log2(5)) / (1 + 1 / math.log2(3) + 1 / 2))
    assert clicks(np.arange(500)[None], [np.array([499])])[0] == 49
    assert clicks(np.arange(500)[None], [np.array([9, 10])])[0] == 0
    assert clicks(np.arange(500)[None], [np.array([500])])[0] == 51
    assert r_precision(np.array([[1, 3, 4]]), withheld, artists)[0] == pytest.approx(1 + 0.5 / 3)


def test_metrics_follow_the_formulas(examples):
    lists, withheld, artists = examples
    expected = np.array([follow_formulas(row, wanted, artists) for row, wanted in zip(lists, withheld, strict=True)])
    np.testing.assert_allclose(r_precision(lists, withheld, artists), expected[:, 0])
    np.testing.assert_allclose(ndcg(lists, withheld), expected[:, 1])
    np.testing.assert_allclose(clicks(lists, withheld), expected[:, 2])
    assert len(set(expected[:, 2])) > 2


def test_ndcg_equals_torchmetrics(examples):
    lists, withheld, _ = examples
    for row, wanted, value in zip(lists, withheld, ndcg(lists, withheld), strict=True):
        listed = row[row >= 0]
        rest = np.setdiff1d(np.arange(TRACKS), listed)
        order = torch.tensor(np.concatenate([listed, rest]))
        scores = torch.arange(TRACKS, 0, -1, dtype=torch.float32)
        relevant = torch.isin(order, torch.tensor(wanted))
        relevant_listed = relevant & (torch.arange(TRACKS) < len(listed))
        ideal = float(retrieval_normalized_dcg(scores, relevant, top_k=LENGTH))
        if len(listed) == LENGTH:
            assert value == pytest.approx(ideal, abs=1e-6)
        else:
            assert value <= ideal + 1e-6
            assert bool(relevant_listed.any()) == (value > 0)


def test_blocks_give_the_same_values(examples):
    lists, withheld, artists = examples
    for metric in (ndcg, clicks, lambda *arguments: r_precision(*arguments, artists)):
        halves = [metric(lists[part], withheld[part]) for part in (slice(0, 17), slice(17, None))]
        np.testing.assert_array_equal(np.concatenate(halves), metric(lists, withheld))
