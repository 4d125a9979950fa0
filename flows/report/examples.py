"""What searches find in a benchmark, to be looked at and listened to: tags, sentences, and words it never labelled."""

import base64
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from schemas.audio import WindowSpec
from workers.audio.verdicts import Rejected
from workers.audio.windows import read_windows
from workers.encoders.protocol import TextTower
from workers.protocols.items import Retrieved

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


def examples(shelf: Shelf, tower: TextTower, asked: dict[str, Retrieved]) -> list[Example]:
    """For each kind of query its best, its middle and its worst by rank, so that nothing is picked to please."""
    found = []
    for kind, items in asked.items():
        for place in _spread(items.values["rank"]):
            rank = float(items.values["rank"][place])
            wanted = frozenset(items.relevant[place])
            found.append(_example(kind, items.queries[place], rank, wanted, shelf, tower))
    return found + [_example("never labelled", query, None, None, shelf, tower) for query in UNSEEN]


def snippet(uri: str) -> str:
    """The first seconds of a local file as a data: address; empty where it cannot be heard."""
    spec = WindowSpec(_RATE, _RATE * _SECONDS, _RATE * _SECONDS, limit=1)
    try:
        with Path(uri).open("rb") as file:
            window = next(iter(read_windows(file, spec)))
    except (Rejected, OSError):
        return ""
    held = io.BytesIO()
    soundfile.write(held, window, _RATE, format="OGG", subtype="VORBIS")
    return f"data:audio/ogg;base64,{base64.b64encode(held.getvalue()).decode()}"


def _spread(ranks: np.ndarray) -> list[int]:
    order = np.argsort(ranks, kind="stable")
    return list(dict.fromkeys(int(order[place]) for place in (0, len(order) // 2, len(order) - 1)))


def _example(
    kind: str, query: str, rank: float | None, wanted: frozenset[str] | None, shelf: Shelf, tower: TextTower
) -> Example:
    scores = shelf.vectors @ tower.embed_text([query])[0]
    hits = []
    for place in np.argsort(-scores)[:HITS]:
        name = shelf.ids[place]
        right = None if wanted is None else name in wanted
        title, labels = shelf.titles.get(name) or name, shelf.labels.get(name, ())
        hits.append(Hit(title, labels, float(scores[place]), right, snippet(shelf.uris.get(name, ""))))
    return Example(kind, query, rank, hits)
