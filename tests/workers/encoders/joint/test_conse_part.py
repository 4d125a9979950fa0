"""ConSE's part of a vector: what is fitted, what a track's and a text's vector are, which texts it counts in."""

import numpy as np
import pytest

from schemas.errors import UserError
from workers.encoders.joint.conse_part import (
    BASIS,
    LENGTH,
    MEAN,
    SCALE,
    ConseTextTower,
    ConseWeights,
    fit_conse_part,
    put_conse_beside,
    split_words,
)

TEXT_DIM, HEAD_DIM, PART = 384, 8, 96


def unit_rows(rows, dim, seed):
    vectors = np.random.default_rng(seed).standard_normal((rows, dim)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


TAGS = unit_rows(92, TEXT_DIM, 1)


@pytest.fixture(scope="module")
def conse_vectors():
    """Unit vectors of 300 tracks: sums of ten tags' vectors, as ConSE computes them, but never of the last 22."""
    rng = np.random.default_rng(0)
    sums = np.stack([rng.random(10) @ TAGS[rng.choice(70, 10, replace=False)] for _ in range(300)])
    return (sums / np.linalg.norm(sums, axis=1, keepdims=True)).astype(np.float32)


def test_the_basis_holds_every_tag(conse_vectors):
    """Also those that no training clip has: recordings and texts have them."""
    fitted = fit_conse_part(TAGS, conse_vectors)
    basis = fitted[BASIS]
    assert basis.shape == (TEXT_DIM, PART)
    np.testing.assert_allclose(TAGS @ basis @ basis.T, TAGS, atol=1e-5)
    np.testing.assert_allclose(basis.T @ basis, np.diag([1] * 92 + [0] * 4), atol=1e-5)
    np.testing.assert_allclose((conse_vectors @ basis).mean(axis=0), fitted[MEAN], atol=1e-5)


def test_conses_part_of_a_track_has_its_length(conse_vectors):
    fitted = fit_conse_part(TAGS, conse_vectors)
    heads = unit_rows(300, HEAD_DIM, 2)
    vectors = put_conse_beside(heads, conse_vectors, fitted)
    assert (vectors.dtype, vectors.shape) == (np.float32, (300, HEAD_DIM + PART))
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    head_lengths = np.linalg.norm(vectors[:, :HEAD_DIM], axis=1)
    ratios = np.linalg.norm(vectors[:, HEAD_DIM:], axis=1) / head_lengths
    assert np.sqrt(np.square(ratios).mean()) == pytest.approx(LENGTH, abs=1e-4)
    np.testing.assert_allclose(vectors[:, :HEAD_DIM] / head_lengths[:, None], heads, atol=1e-6)


def test_clips_that_are_all_the_same_are_refused(conse_vectors):
    with pytest.raises(UserError, match="conse_weight needs training clips that differ"):
        fit_conse_part(TAGS, conse_vectors[[0, 0, 0]])


def test_a_score_is_the_weighted_sum_of_both_parts(conse_vectors):
    """Up to a factor of the text and one of the track."""
    fitted = fit_conse_part(TAGS, conse_vectors)
    heads, head_texts, conse_texts = unit_rows(300, HEAD_DIM, 2), unit_rows(1, HEAD_DIM, 3), conse_vectors[:1]
    weights = ConseWeights(0.25, 0, 0.75, frozenset(["jazz"]), frozenset())
    read = {"jazz": np.zeros((1, TEXT_DIM), np.float32), "jazz music": conse_texts}
    tower = ConseTextTower(
        lambda texts: np.vstack([read[text] for text in texts]),
        lambda _: head_texts,
        "{} music",
        fitted[BASIS],
        weights,
    )
    (text,) = tower.embed_text(["jazz"])
    vectors = put_conse_beside(heads, conse_vectors, fitted)
    lengths = np.sqrt(1 + np.square((conse_vectors @ fitted[BASIS] - fitted[MEAN]) * fitted[SCALE]).sum(axis=1))
    centred = conse_vectors - conse_vectors.mean(axis=0)
    deviation = np.sqrt(np.square(centred).sum(axis=1).mean())
    expected = 0.75 * heads @ head_texts[0] + 0.25 * centred @ conse_texts[0] / deviation
    actual = vectors @ text * lengths
    np.testing.assert_allclose(actual / expected, np.full(300, (actual / expected)[0]), rtol=1e-3)
    assert np.linalg.norm(text) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize(
    ("text", "weight"),
    [
        ("slow jazz", 0.2),
        ("slow hurdy", 0.5),
        ("hurdy-gurdy", 0.8),
        ("Jazz!", 0.4),
        ("Hip-Hop", 0.8),  # a tag of new words
        ("", 0.2),
        ("?!", 0.2),
    ],
)
def test_conse_counts_more_in_new_words_and_in_its_own_tags(text, weight):
    weights = ConseWeights(0.2, 0.4, 0.8, frozenset(["slow", "jazz"]), frozenset(["jazz", "hip hop"]))
    assert weights.of(text) == pytest.approx(weight)


def test_no_text_has_no_vector(conse_vectors):
    nothing = np.zeros((0, HEAD_DIM), np.float32)
    basis, weights = fit_conse_part(TAGS, conse_vectors)[BASIS], ConseWeights(0.2, 0.4, 0.8, frozenset(), frozenset())
    tower = ConseTextTower(lambda _: conse_vectors[:0], lambda _: nothing, "{} music", basis, weights)
    assert tower.embed_text([]).shape == (0, HEAD_DIM + PART)


def test_words_are_letters_and_digits_in_lower_case():
    assert split_words("Drum'n'Bass, 80s R&B — Über_cool") == ["drum", "n", "bass", "80s", "r", "b", "über", "cool"]
