"""Words of a query that a text tower cannot place: gibberish, other scripts, misspelt words.

MiniLM was trained on English. It gives every string a vector, so a search for "pianno" answers too, with anything.
"""

import difflib
import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources import files
from itertools import chain
from pathlib import Path

_WORD = re.compile(r"[^\W\d_]+")
_SUFFIXES = (
    *("s", "es", "y", "ed", "er", "ers", "est", "ing", "ish", "ly", "al", "ic", "ness", "less", "like"),
    *("ist", "ists", "able", "ful", "ity", "ism", "ous", "ive", "ation"),
)
_VOWELS = "aeiouy"
_SHORT = 2  # letters: such words are too like each other to be compared
_PART = 4  # letters of each part of a compound, such as night and club
_COMMON = 3  # known words that have a sequence of three letters, at least
_GIBBERISH = 0.6  # share of such sequences in a word, or less
_NEAR_MUSIC, _NEAR = 0.82, 0.86  # difflib's ratio to a word of music, to another word
_MAX_NEAR = 3


@dataclass(frozen=True, slots=True)
class UnplacedWord:
    """A word of a query, and the known words that look like it."""

    word: str
    near: tuple[str, ...]


@cache
def music_words() -> frozenset[str]:
    """Return the words of genres, instruments, moods and tempi that text sides know."""
    return frozenset(files("workers.text").joinpath("music_words.txt").read_text().split())


class QueryWords:
    """The words that a text side for English knows.

    They are those of MiniLM's tokenizer.json and of music_words.txt.
    """

    def __init__(self, tokenizer: Path) -> None:
        vocabulary = json.loads(tokenizer.read_text())["model"]["vocab"]
        self._music = music_words()
        self._known = self._music | {token for token in vocabulary if _WORD.fullmatch(token) and token.isascii()}

    @cached_property
    def _common_trigrams(self) -> set[str]:
        """Sequences of three letters that some known words have. Most queries need none."""
        counts = Counter(chain.from_iterable(map(_trigrams, self._known)))
        return {trigram for trigram, count in counts.items() if count >= _COMMON}

    def knows(self, word: str) -> bool:
        """Tell whether a folded word is a known one or an inflection of one."""
        return word in self._known or self._is_inflection(word)

    def find_unplaced(self, query: str) -> list[UnplacedWord]:
        """Return the words of a query that the text tower cannot place, in their order."""
        words = dict.fromkeys(_WORD.findall(_without_accents(query.lower())))
        return [unplaced for word in words if (unplaced := self._examine(word))]

    def _examine(self, word: str) -> UnplacedWord | None:
        if not word.isascii():
            return UnplacedWord(word, ())
        if self.knows(word):
            return None
        if len(word) > _SHORT and (near := self._near(word, self._music, _NEAR_MUSIC)):
            return UnplacedWord(word, near)
        if any(word[:cut] in self._known and word[cut:] in self._known for cut in range(_PART, len(word) - _PART + 1)):
            return None
        trigrams = _trigrams(word)
        is_gibberish = sum(trigram in self._common_trigrams for trigram in trigrams) <= _GIBBERISH * len(trigrams)
        return UnplacedWord(word, ()) if is_gibberish else None

    def _is_inflection(self, word: str) -> bool:
        """Tell whether the word is a known one with a suffix: quietly, hummed, stringier."""
        for suffix in _SUFFIXES:
            stem = word.removesuffix(suffix)
            if stem == word or len(stem) <= _SHORT:
                continue
            stems = {stem, f"{stem}e"}
            if suffix[0] in _VOWELS and stem[-1] == stem[-2]:
                stems.add(stem[:-1])
            if stem.endswith("i"):
                stems.add(f"{stem[:-1]}y")
            if stems & self._known:
                return True
        return False

    @staticmethod
    def _near(word: str, words: Iterable[str], ratio: float) -> tuple[str, ...]:
        """Return the words most like it that begin with the same letter."""
        similar = [other for other in words if other[0] == word[0] and abs(len(other) - len(word)) <= 2]
        return tuple(difflib.get_close_matches(word, similar, _MAX_NEAR, ratio))


def _trigrams(word: str) -> set[str]:
    """Return the sequences of three letters of a word, its ends included."""
    marked = f"^{word}$"
    return {marked[start : start + 3] for start in range(len(marked) - 2)}


def _without_accents(text: str) -> str:
    """Return the text as MiniLM's tokenizer reads it: without accents."""
    decomposed = unicodedata.normalize("NFD", text)
    return "".join(character for character in decomposed if unicodedata.category(character) != "Mn")
