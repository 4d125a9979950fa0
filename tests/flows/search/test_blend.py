"""Blends: what several likes and dislikes want of a track."""

import numpy as np
import pytest

from flows.search.blend import Blend
from workers.encoders.base.torch_encoder import normalise_rows

DIM = 16
RANDOM = np.random.default_rng(0)
TRACKS = normalise_rows(RANDOM.standard_normal((500, DIM)).astype(np.float32) + 0.5)
FIRST, SECOND, THIRD = TRACKS[:3]


def best(blend: Blend, count: int = 10) -> list[int]:
    return np.argsort(-blend.score(TRACKS))[:count].tolist()


def test_one_like_scores_by_its_cosine():
    for weight in (1, 0.3):
        blend = Blend.of([FIRST], [weight], TRACKS)
        np.testing.assert_allclose(blend.score(TRACKS), TRACKS @ FIRST, atol=1e-6)
        np.testing.assert_allclose(blend.vector, FIRST, atol=1e-6)


def test_one_dislike_alone_finds_what_is_opposite():
    np.testing.assert_allclose(Blend.of([FIRST], [-1], TRACKS).score(TRACKS), -(TRACKS @ FIRST), atol=1e-6)


def test_a_track_must_be_like_every_like():
    middle = normalise_rows((FIRST + SECOND)[None])[0]
    scores = Blend.of([FIRST, SECOND], [1, 1], TRACKS).score(np.stack([FIRST, middle, SECOND]))
    assert scores[1] > max(scores[0], scores[2])


def test_the_spread_of_a_part_does_not_decide():
    """A part whose cosines are five times as wide would decide a plain sum alone."""
    narrow = normalise_rows(np.hstack([TRACKS, np.full((500, 1), 5, np.float32)]))
    wide_part, narrow_part = np.eye(DIM + 1, dtype=np.float32)[0], narrow[1]
    blend = Blend.of([wide_part, narrow_part], [1, 1], narrow)
    top = np.argsort(-blend.score(narrow))[:10]
    for part in (wide_part, narrow_part):
        cosines = narrow @ part
        assert cosines[top].mean() > cosines.mean() + cosines.std()


def test_a_dislike_lowers_only_tracks_that_are_clearly_like_it():
    before, after = (Blend.of([FIRST, SECOND][:n], [1, -1][:n], TRACKS) for n in (1, 2))
    likeness = TRACKS @ SECOND
    is_clear = likeness > likeness.mean() + likeness.std()
    change = after.score(TRACKS) - before.score(TRACKS)
    assert is_clear.any()
    assert (change[is_clear] < 0).all()
    np.testing.assert_allclose(change[~is_clear], 0, atol=1e-6)


def test_weights_are_relative_and_graded():
    halved = Blend.of([FIRST, SECOND], [0.5, 0.25], TRACKS)
    np.testing.assert_allclose(halved.score(TRACKS), Blend.of([FIRST, SECOND], [1, 0.5], TRACKS).score(TRACKS))
    alone = best(Blend.of([FIRST], [1], TRACKS))
    shared = [len(set(alone) & set(best(Blend.of([FIRST, SECOND], [1, w], TRACKS)))) for w in (0, 0.01, 1)]
    assert shared[0] == 10 >= shared[1] > shared[2]


def test_likes_said_twice_count_once():
    twice, once = Blend.of([FIRST, FIRST], [1, 1], TRACKS), Blend.of([FIRST], [1], TRACKS)
    np.testing.assert_allclose(twice.score(TRACKS), once.score(TRACKS), atol=1e-6)


@pytest.mark.parametrize("tracks", [TRACKS, TRACKS[:1], TRACKS[:2], np.repeat(TRACKS[:1], 9, axis=0)])
def test_scores_stay_in_the_scale_of_a_cosine(tracks):
    parts = [FIRST, SECOND, THIRD, -FIRST]
    for weights in ((1, 1, 1, -1), (1, -1, -1, -1), (-1, -1, 0, 0), (0.01, 0, 0, -1)):
        scores = Blend.of(parts, weights, tracks).score(TRACKS)
        assert np.isfinite(scores).all()
        assert (np.abs(scores) <= 1).all()
