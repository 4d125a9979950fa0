"""Names of tracks and artists inside a sentence: "like Superstition by Stevie Wonder, but slower".

`parse` knows no lake: it returns every way to cut a sentence. The lake tells which of the names exist.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Comparison = Literal["slower", "faster", "louder", "quieter"]

_LIKE = re.compile(
    r"""^(?P<before>.*?)\b(?:
        (?:sound(?:s|ing)?|something|anything|more|music|songs?|tracks?|tunes?|pieces?)\s+like
        | like | similar\s+to | reminiscent\s+of | remind(?:s|ing)?\s+(?:me\s+)?of | in\s+the\s+(?:style|vein)\s+of
    )\s+(?P<name>.+)$""",
    re.IGNORECASE | re.VERBOSE,
)
_BY = re.compile(r"^(?P<before>.+)\s+by\s+(?P<name>.+)$", re.IGNORECASE)
_DONE_BY = re.compile(
    r"(?:\w+ed|sung|driven|written|made|one|side|step|day)$", re.IGNORECASE
)  # accompanied by strings
_TITLE_BY_ARTIST = re.compile(r"\s+by\s+", re.IGNORECASE)
# Where a name may end; "without vocals" stays whole.
_END_OF_NAME = re.compile(
    r"\s*[,;]\s*(?:but\s+|and\s+|only\s+)?|\s+(?:but|only)\s+|\s+(?=with(?:out)?\s)", re.IGNORECASE
)
_WISHES = re.compile(r"\s*(?:[,;]|\bbut\b|\band\b)\s*", re.IGNORECASE)
_DEGREE = re.compile(
    r"^(?:(?:a\s+(?:bit|little|lot)|much|slightly|somewhat|far|even|only|just|more)\s+)+", re.IGNORECASE
)
_NEGATIVE = re.compile(r"^(?:without|no|not|minus|less)\s+(?:any\s+)?", re.IGNORECASE)
_POSITIVE = re.compile(r"^with\s+", re.IGNORECASE)
_COMPARISONS: dict[str, Comparison] = {
    "slower": "slower",
    "faster": "faster",
    "quicker": "faster",
    "louder": "louder",
    "quieter": "quieter",
}
_FILLERS = frozenset(
    """
    a an any anything are artists bands find give i is it kind me more music of piece pieces play please some
    something song songs sort that the track tracks tune tunes want which
    """.split()
)
_QUOTES = "\"'“”‘’„«»"


@dataclass(frozen=True, slots=True)
class NameReading:
    """One way to read a name: a title, perhaps with an artist, or an artist."""

    title: str | None
    artist: str | None


@dataclass(frozen=True, slots=True)
class NamedSentence:
    """One way to cut a sentence that names something.

    `like` tells whether music like it is wanted; otherwise it is music by it. `before` and `wishes` describe the music
    in words, a wish with its weight. `quoted` tells whether the name stood in quotes.
    """

    like: bool
    name: str
    before: str = ""
    comparisons: tuple[Comparison, ...] = ()
    wishes: tuple[tuple[str, float], ...] = ()
    quoted: bool = False

    def is_marked(self) -> bool:
        """Tell whether the name is marked as one, by quotes or a capital letter."""
        return self.quoted or self.name != self.name.lower()

    def readings(self) -> Iterator[NameReading]:
        """Yield the ways to read the name.

        These are TITLE by ARTIST at each "by", then a title, then an artist.
        """
        if self.like and not self.quoted:
            for cut in _TITLE_BY_ARTIST.finditer(self.name):
                title, artist = self.name[: cut.start()], self.name[cut.end() :]
                yield NameReading(_unquote(title), _unquote(artist))
        if self.like:
            yield NameReading(self.name, None)
        yield NameReading(None, self.name)


def parse(text: str) -> tuple[NamedSentence, ...]:
    """Return the ways to cut a sentence that may name something, the longest names first.

    None if it has none of the forms "like NAME", "similar to NAME", "in the style of NAME", "TEXT by ARTIST"; wishes
    may follow a name: ", but slower", " without vocals".
    """
    text = " ".join(text.split()).rstrip(".!?")
    if match := _LIKE.match(text):
        return tuple(_cut(match["before"], match["name"]))
    match = _BY.match(text)
    if match and not _DONE_BY.search(match["before"]):
        return (
            NamedSentence(False, _unquote(match["name"]), _trim(match["before"]), quoted=is_quoted(match["name"])),
        )
    return ()


def _cut(before: str, rest: str) -> Iterator[NamedSentence]:
    """Yield a sentence for each place where the name may end."""
    ends = [(len(rest), len(rest)), *sorted((end.span() for end in _END_OF_NAME.finditer(rest)), reverse=True)]
    for end, start in ends:
        name = rest[:end]
        if name:
            comparisons, wishes = _parse_wishes(rest[start:])
            yield NamedSentence(True, _unquote(name), _trim(before), comparisons, wishes, is_quoted(name))


def _parse_wishes(text: str) -> tuple[tuple[Comparison, ...], tuple[tuple[str, float], ...]]:
    """Return the comparisons of a text, and its other words with weights.

    Of "much slower and without vocals" these are slower, and vocals with weight -1.
    """
    comparisons: list[Comparison] = []
    wishes: list[tuple[str, float]] = []
    for part in filter(None, _WISHES.split(text)):
        wish = _DEGREE.sub("", part)
        if comparison := _COMPARISONS.get(wish.lower()):
            comparisons.append(comparison)
        elif negative := _NEGATIVE.match(wish):
            wishes.append((wish[negative.end() :], -1.0))
        else:
            wishes.append((_POSITIVE.sub("", wish), 1.0))
    return tuple(dict.fromkeys(comparisons)), tuple(wishes)


def _trim(text: str) -> str:
    """Return the text without words at its ends that describe nothing.

    Of "some calm music that" this is calm.
    """
    words = text.strip(" ,;").split()
    while words and words[0].lower() in _FILLERS:
        del words[0]
    while words and words[-1].lower() in _FILLERS:
        del words[-1]
    return " ".join(words)


def is_quoted(name: str) -> bool:
    """Tell whether a text stands in quotes as a whole."""
    text = name.strip()
    return len(text) > 2 and text[0] in _QUOTES and text[-1] in _QUOTES and not _TITLE_BY_ARTIST.search(text)


def _unquote(name: str) -> str:
    return name[1:-1] if is_quoted(name) else name
