"""Rows of an embeddings table by the words of their artist, title and album.

Lance's full-text indexes answer, if the table has them; else the three columns are read. Accents and capital letters
make no difference, and a word may be misspelt.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
from lance.query import BooleanQuery, FullTextQuery, MatchQuery, Occur

from lake.embeddings.filters import NO_FILTER, Filter
from lake.embeddings.indexes import NAME_INDEX_ROWS, has_name_indexes
from lake.embeddings.registry_columns import resolve_where
from lake.embeddings.search import explain_filter
from lake.storage.lake import Lake
from schemas.encoders import EncoderSpec
from schemas.tables import embeddings_table

NAME_COLUMNS = ("artist", "title", "album")
MAX_WORDS = 40  # a longer question names nothing
MAX_READ_ROWS = 100_000  # half a second; a larger table without an index names nothing
MAX_NAMED_ROWS = 1000  # of one question; those with the shortest names and the rarest words come first
_WORD = re.compile(r"[^\W_]+")
# Letters that Unicode does not decompose; Lance's index folds them so too.
_PLAIN = str.maketrans({"ø": "o", "æ": "ae", "œ": "oe", "ß": "ss", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ı": "i"})


@dataclass(frozen=True, slots=True)
class NameWord:
    """A folded word of a question, and how many letters of it may be wrong.

    A letter that is added, left out, changed or swapped with its neighbour counts as one.
    """

    text: str
    edits: int = 0

    def matches(self, word: str) -> bool:
        """Tell whether a folded word of a name is this one, misspelt or not. The first letter must be the same."""
        if word == self.text or not self.edits:
            return word == self.text
        is_like = word[:1] == self.text[:1] and abs(len(word) - len(self.text)) <= self.edits
        return is_like and count_edits(self.text, word) <= self.edits


@dataclass(frozen=True, slots=True)
class NamedRows:
    """Rows whose names together have every word of a question.

    Each has track_id, artist, title and album. `unindexed`: a table of so many rows should have an index, and lacks
    it. It was read, or is too large for that and was not.
    """

    rows: list[dict[str, Any]]
    unindexed: int = 0


def find_named_rows(
    lake: Lake, spec: EncoderSpec, words: Sequence[NameWord], condition: Filter = NO_FILTER
) -> NamedRows:
    """Return at most 1,000 rows whose names have each of the words.

    The rows pass the filter. Those that came after the last run's index are found by words that are spelt as stored.
    Raises UserError if the filter is not valid SQL.
    """
    table, columns = lake.table(embeddings_table(spec)), ["track_id", *NAME_COLUMNS]
    count = table.count_rows()
    if not 0 < len(words) <= MAX_WORDS or not count:
        return NamedRows([])
    indexed = has_name_indexes(table)
    if not indexed and count > MAX_READ_ROWS:
        return NamedRows([], count)
    with explain_filter(condition):
        scan = resolve_where(lake, table, condition).scan(table)
        if indexed:
            scan |= {"full_text_query": _full_text_query(words), "prefilter": True, "limit": MAX_NAMED_ROWS}
            columns = [*columns, "_score"]
        rows = table.scanner(columns=columns, **scan).to_table()
    rows = rows.filter(_have_words(rows, words)).slice(0, MAX_NAMED_ROWS)
    return NamedRows(rows.to_pylist(), 0 if indexed or count < NAME_INDEX_ROWS else count)


def split_words(text: str) -> list[str]:
    """Return the words of a text, folded: in lower case, Latin letters without accents.

    The words of "Guns N' Müller" are guns, n, muller.
    """
    if not text.isascii():
        text = "".join(map(_fold_letter, unicodedata.normalize("NFC", text.lower()).translate(_PLAIN)))
    return _WORD.findall(text.lower())


def count_edits(word: str, other: str) -> int:
    """Return how many letters must be wrong to make one word of the other.

    A letter is added, left out, changed, or swapped with its neighbour.
    """
    before: list[int] = []
    row = list(range(len(other) + 1))
    for index, letter in enumerate(word, start=1):
        last, before, row = before, row, [index]
        for column, other_letter in enumerate(other, start=1):
            cost = min(before[column] + 1, row[-1] + 1, before[column - 1] + (letter != other_letter))
            if last and column > 1 and letter == other[column - 2] and word[index - 2] == other_letter:
                cost = min(cost, last[column - 2] + 1)
            row.append(cost)
    return row[-1]


@lru_cache(maxsize=4096)
def _fold_letter(letter: str) -> str:
    return unicodedata.normalize("NFKD", letter).encode("ascii", "ignore").decode() or letter


def _full_text_query(words: Sequence[NameWord]) -> FullTextQuery:
    """Return the query for rows that have each word in one of the columns."""

    def in_any_column(word: NameWord) -> FullTextQuery:
        edits = 2 if word.edits else 0  # two letters that are swapped are two edits to Lance
        matches = [MatchQuery(word.text, column, fuzziness=edits, prefix_length=1) for column in NAME_COLUMNS]
        return BooleanQuery([(Occur.SHOULD, match) for match in matches])

    return BooleanQuery([(Occur.MUST, in_any_column(word)) for word in words])


def _have_words(rows: pa.Table, words: Sequence[NameWord]) -> pa.Array:
    """Tell for each row whether its names together have every word."""
    bits: dict[str, int] = {}  # stored word -> the question's words that it matches, a bit each

    def match(name: str | None) -> int:
        matched = 0
        for word in split_words(name or ""):
            if word not in bits:
                bits[word] = sum(1 << index for index, asked_word in enumerate(words) if asked_word.matches(word))
            matched |= bits[word]
        return matched

    matched = np.zeros(len(rows), np.int64)
    for column in NAME_COLUMNS:
        names = rows[column].combine_chunks().dictionary_encode()
        by_name = np.array([*map(match, names.dictionary.to_pylist()), 0], np.int64)
        matched |= by_name[names.indices.fill_null(-1).to_numpy(zero_copy_only=False)]
    return pa.array(matched == (1 << len(words)) - 1)
