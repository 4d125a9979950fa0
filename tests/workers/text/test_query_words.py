"""Words that a text side for English cannot place: few of ordinary queries, most of gibberish and misspelt ones."""

from pathlib import Path

import pytest

from schemas.settings import Settings
from workers.text.minilm_weights import MINILM
from workers.text.query_words import QueryWords
from workers.weights.cache import weights_folder

QUERIES = Path(__file__).parents[2] / "data" / "queries"
ORDINARY, MISSPELT = ((QUERIES / f"{name}.txt").read_text().splitlines() for name in ("ordinary", "misspelt"))


@pytest.fixture(scope="module")
def words():
    return QueryWords(weights_folder(MINILM, Settings().models) / "tokenizer.json")


def test_at_most_2_percent_of_ordinary_queries_get_a_remark(words):
    remarked = [query for query in ORDINARY if words.find_unplaced(query)]
    assert len(ORDINARY) > 150
    assert len(remarked) <= 0.02 * len(ORDINARY), remarked


def test_9_of_10_misspelt_and_gibberish_queries_get_one(words):
    remarked = [query for query in MISSPELT if words.find_unplaced(query)]
    assert len(MISSPELT) == 100
    assert len(remarked) >= 90, set(MISSPELT) - set(remarked)


@pytest.mark.parametrize(
    ("query", "near"), [("pianno", "piano"), ("a saxaphone solo", "saxophone"), ("harpsicord", "harpsichord")]
)
def test_near_words_are_named(words, query, near):
    (unplaced,) = words.find_unplaced(query)
    assert near in unplaced.near


def test_accents_and_inflections_are_known(words):
    assert words.find_unplaced("Café music, stringier and quietly hummed") == []
