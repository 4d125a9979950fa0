"""What searches find in a benchmark, to be looked at and listened to: tags, sentences, and words it never labelled."""

import base64
import io
from dataclasses import dataclass
from itertools import islice

import numpy as np
import soundfile

from schemas.audio import WindowSpec
from schemas.settings import S3Settings
from workers.audio.fetch import fetch
from workers.audio.verdicts import Rejected
from workers.audio.windows import read_windows
from workers.encoders.base.interface import TextTower
from workers.evaluation.predictions import Retrieved

UNSEEN = ("music for a rainy night", "something to dance to", "a lullaby for a child", "a chase through the city")
HITS = 5
_RATE, _SECONDS = 16_000, 6


@dataclass(frozen=True, slots=True)
class Shelf:
    """The clips that can be found: ids, unit vectors [N, dim], what each is called, its labels, where its audio is."""

    ids: tuple[str, ...]
    vectors: np.ndarray
    titles: dict[str, str]
    labels: dict[str, tuple[str, ...]]
    uris: dict[str, str]


@dataclass(frozen=True, slots=True)
class Asked:
    """Queries of one kind, tag or sentence, with the prompt they were asked by."""

    kind: str
    prompt: str
    items: Retrieved


@dataclass(frozen=True, slots=True)
class Hit:
    """One answer; `right` is None where nothing says whether it is. `sound` is a data: address, or empty."""

    title: str
    labels: tuple[str, ...]
    score: float
    right: bool | None
    sound: str


@dataclass(frozen=True, slots=True)
class Example:
    """A query and its first answers; `rank` is that of the first right one."""

    kind: str
    query: str
    rank: float | None
    hits: list[Hit]


class ExampleBook:
    """Asks for each kind of query the best, the middle and the worst by rank, so that nothing is picked to please."""

    def __init__(self, shelf: Shelf, tower: TextTower, s3: S3Settings) -> None:
        self._shelf, self._tower, self._s3 = shelf, tower, s3

    def examples(self, asked: list[Asked]) -> list[Example]:
        """Of everything that was asked, then of words that nobody labelled."""
        found = []
        for one in asked:
            ranks = one.items.values["rank"]
            gallery = None
            if one.kind == "sentence":  # only clips with sentences were searched, and each of them answers one
                gallery = {name for names in one.items.relevant for name in names}
            for place in _spread(ranks):
                hits = self._hits(one.prompt.replace("{}", one.items.queries[place]), gallery)
                wanted = set(one.items.relevant[place])
                told = [self._hit(at, score, self._shelf.ids[at] in wanted) for at, score in hits]
                found.append(Example(one.kind, one.items.queries[place], float(ranks[place]), told))
        for query in UNSEEN:
            told = [self._hit(at, score, None) for at, score in self._hits(query, None)]
            found.append(Example("never labelled", query, None, told))
        return found

    def _hits(self, text: str, gallery: set[str] | None) -> list[tuple[int, float]]:
        scores = self._shelf.vectors @ self._tower.embed_text([text])[0]
        order = (int(at) for at in np.argsort(-scores) if gallery is None or self._shelf.ids[at] in gallery)
        return [(at, float(scores[at])) for at in islice(order, HITS)]

    def _hit(self, at: int, score: float, right: bool | None) -> Hit:
        name, shelf = self._shelf.ids[at], self._shelf
        title = shelf.titles.get(name) or name
        return Hit(title, shelf.labels.get(name, ()), score, right, snippet(shelf.uris.get(name, ""), self._s3))


def snippet(uri: str, s3: S3Settings) -> str:
    """The first seconds of a file as a data: address; empty where it cannot be heard."""
    spec = WindowSpec(_RATE, _RATE * _SECONDS, _RATE * _SECONDS, limit=1)
    try:
        with fetch(uri, s3) as fetched:
            window = next(iter(read_windows(fetched.file, spec)))
    except (Rejected, OSError):
        return ""
    held = io.BytesIO()
    soundfile.write(held, window, _RATE, format="OGG", subtype="VORBIS")
    return f"data:audio/ogg;base64,{base64.b64encode(held.getvalue()).decode()}"


def _spread(ranks: np.ndarray) -> list[int]:
    order = np.argsort(ranks, kind="stable")
    return list(dict.fromkeys(int(order[place]) for place in (0, len(order) // 2, len(order) - 1)))
