"""Tracks that a question names by their artist, title or album.

A track is named if its names together have every word of the question, and one of its names stands there as a whole,
or a word of the question is not English. So "guitar" does not name "Blue Guitar", and a sentence hardly ever names a
track.
"""

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flows.search.names import is_quoted
from lake.embeddings.names import NAME_COLUMNS, NameWord, count_edits, split_words
from workers.text.query_words import music_words

RowFinder = Callable[[Sequence[NameWord]], list[dict[str, Any]]]

_UNIMPORTANT = frozenset("a an and by feat featuring from ft of the with".split())
# Parts of a title that nobody types: a leading track number, brackets, guests, " - Remastered 2011".
_BESIDE = re.compile(
    r"""^\d{1,3}\s*[-._]+\s*(?=\D) | [(\[{].*?[)\]}] | \s(?:feat|ft|featuring)\b.*$
    | \s-\s[^-]*\b(?:remaster(?:ed)?|version|live|mix|edit|mono|stereo|demo)\b.*$""",
    re.IGNORECASE | re.VERBOSE,
)
_RANK_OFFSET = 60  # of reciprocal rank fusion, as Cormack, Clarke and Buettcher (2009) chose it
_ONE_EDIT, _TWO_EDITS = 4, 7  # letters of a word that may have so many letters wrong


@dataclass(frozen=True, slots=True)
class NameMatch:
    """A name of a track, its column, and the question's words in it.

    If `whole`, these are all of its words but those that nobody types.
    """

    column: str
    name: str
    words: str
    edits: int
    whole: bool = True

    def __str__(self) -> str:
        return f"{self.column} {self.name!r} matched {self.words!r}"


@dataclass(frozen=True, slots=True)
class NamedTrack:
    """A track that a question names.

    `leads`: it comes before what only sounds right, because an artist's whole name or a word that is not English
    stands in the question. Otherwise its rank among the names is one of two.
    """

    track_id: str
    matches: tuple[NameMatch, ...]
    leads: bool

    @property
    def tier(self) -> tuple[int, int, int]:
        """The order of named tracks: most whole names, then artists, then the fewest wrong letters."""
        columns = [match.column for match in self.matches if match.whole]
        return (-len(columns), -columns.count("artist"), sum(match.edits for match in self.matches))


def name_words(text: str) -> list[str]:
    """Return the words of a text that a name must have.

    They are those without "the" or "by", unless it has no others.
    """
    words = list(dict.fromkeys(split_words(text)))
    return [word for word in words if word not in _UNIMPORTANT] or words


def find_named(text: str, find_rows: RowFinder, is_known: Callable[[str], bool]) -> list[NamedTrack]:
    """Return the tracks that a question names, the best first.

    Words of music alone name nothing, unless they have a capital letter or stand in quotes. Words that are not known
    may be misspelt, if nothing is named otherwise. `find_rows` returns the rows whose names have each of some words,
    `is_known` tells whether a word is English or of music.
    """
    plain, quoted = name_words(text), is_quoted(text)
    if music_words().issuperset(plain) and not quoted and text == text.lower():
        return []
    leads = quoted or not all(map(is_known, plain))
    for words in spellings(plain, is_known):
        tracks = [track for row in find_rows(words) if (track := match_row(words, row, leads))]
        if tracks:
            return sorted(tracks, key=lambda track: track.tier)
    return []


def best_named(tracks: Sequence[NamedTrack], k: int, limit: int = 200) -> dict[str, NamedTrack]:
    """Return the first k named tracks by id, with all that are named as well.

    There are at most `limit`.
    """
    tiers = [track.tier for track in tracks[:k]]
    return {track.track_id: track for track in tracks[:limit] if track.tier <= tiers[-1]} if tiers else {}


def fuse(by_sound: Sequence[str], by_name: Sequence[str], tracks: Mapping[str, NamedTrack]) -> list[str]:
    """Return the ids of two searches in one order.

    Tracks whose names lead come first. The others are ordered by reciprocal rank fusion, names before sounds.
    `by_name` are in the order of their sound.
    """
    named = sorted(by_name, key=lambda track: tracks[track].tier)
    leading = [track for track in named if tracks[track].leads]
    others = [track for track in named if not tracks[track].leads]
    scores = dict.fromkeys([*leading, *others, *by_sound], 0.0) | dict.fromkeys(leading, math.inf)
    for ranking in (others, by_sound):
        for rank, track in enumerate(ranking, start=1):
            scores[track] += 1 / (_RANK_OFFSET + rank)
    return sorted(scores, key=lambda track: -scores[track])


def spellings(words: Sequence[str], is_known: Callable[[str], bool]) -> Iterable[list[NameWord]]:
    """Yield the words as they are, then so that unknown ones may be misspelt."""
    yield [NameWord(word) for word in words]
    tolerant = [NameWord(word, 0 if is_known(word) else _allowed_edits(word)) for word in words]
    if any(word.edits for word in tolerant):
        yield tolerant


def match_row(words: Sequence[NameWord], row: dict[str, Any], leads: bool) -> NamedTrack | None:
    """Return the track of a row if the words name it. If they lead, they need not have a whole name."""
    pairs = {column: _pairs(words, split_words(row[column] or "")) for column in NAME_COLUMNS}
    if {word for column in pairs.values() for word, _ in column} != {*words}:
        return None
    matches = [_match(column, row[column], matched) for column, matched in pairs.items() if matched]
    whole = [match for match in matches if match.whole]
    if not whole and not leads:
        return None
    return NamedTrack(
        row["track_id"], tuple(whole or matches), leads or any(match.column == "artist" for match in whole)
    )


def match_name(words: Sequence[NameWord], column: str, name: str | None) -> NameMatch | None:
    """Return the match if the words are one whole name, and no more."""
    pairs = _pairs(words, split_words(name or ""))
    if not pairs or {word for word, _ in pairs} != {*words}:
        return None
    match = _match(column, name or "", pairs)
    return match if match.whole else None


def _pairs(words: Sequence[NameWord], stored: Sequence[str]) -> list[tuple[NameWord, str]]:
    """Return each word of the question with each word of a name that it is. A word of music is not misspelt."""
    return [
        (word, other)
        for other in dict.fromkeys(stored)
        for word in words
        if word.text == other or (word.edits and other not in music_words() and word.matches(other))
    ]


def _match(column: str, name: str, pairs: Sequence[tuple[NameWord, str]]) -> NameMatch:
    """Return the match of a name. It is whole if the pairs have all words of the name but those that nobody types."""
    edits: dict[str, int] = {}
    for word, other in pairs:
        edits[other] = min(count_edits(word.text, other), edits.get(other, len(other)))
    needed = name_words(_BESIDE.sub(" ", name)) or name_words(name)
    words = " ".join(dict.fromkeys(word.text for word, _ in pairs))
    return NameMatch(column, name, words, sum(edits.values()), edits.keys() >= {*needed})


def _allowed_edits(word: str) -> int:
    return (len(word) >= _ONE_EDIT) + (len(word) >= _TWO_EDITS) if word.isalpha() else 0
