"""Examples of what searches find in a benchmark, to look at and listen to.

The queries are tags, sentences, and texts that no benchmark has labelled.
"""

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
from workers.evaluation.predictions import RetrievalResults

UNLABELLED = (
    "music for a rainy night",
    "something to dance to",
    "a lullaby for a child",
    "a chase through the city",
)
HITS = 5
_RATE, _SECONDS = 16_000, 6


@dataclass(frozen=True, slots=True)
class Gallery:
    """The clips that a search can find.

    `vectors` [N, dim] are unit rows in the order of `ids`; titles, labels and uris are by id.
    """

    ids: tuple[str, ...]
    vectors: np.ndarray
    titles: dict[str, str]
    labels: dict[str, tuple[str, ...]]
    uris: dict[str, str]


@dataclass(frozen=True, slots=True)
class QuerySet:
    """The queries of one kind, tag or sentence, with their prompt and their results."""

    kind: str
    prompt: str
    results: RetrievalResults


@dataclass(frozen=True, slots=True)
class Hit:
    """One answer. `right` is None if the labels do not tell; `sound` is a data: address, or empty."""

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


class ExampleSelector:
    """Selector of the best, the middle and the worst query of each kind by rank.

    The rule is fixed, so nobody picks examples that please.
    """

    def __init__(self, gallery: Gallery, tower: TextTower, s3: S3Settings) -> None:
        self._gallery, self._tower, self._s3 = gallery, tower, s3

    def examples(self, query_sets: list[QuerySet]) -> list[Example]:
        """Return examples of every query set, then of the unlabelled texts."""
        examples = [example for query_set in query_sets for example in self._labelled(query_set)]
        for text in UNLABELLED:
            hits = [self._hit(row, score, None) for row, score in self._search(text, None)]
            examples.append(Example("never labelled", text, None, hits))
        return examples

    def _labelled(self, query_set: QuerySet) -> list[Example]:
        results, examples = query_set.results, []
        ranks = results.values["rank"]
        searched = None
        if query_set.kind == "sentence":  # only clips with sentences were searched, and each of them answers one
            searched = {name for names in results.relevant for name in names}
        for index in _spread(ranks):
            query, relevant = results.queries[index], set(results.relevant[index])
            hits = [
                self._hit(row, score, self._gallery.ids[row] in relevant)
                for row, score in self._search(query_set.prompt.replace("{}", query), searched)
            ]
            examples.append(Example(query_set.kind, query, float(ranks[index]), hits))
        return examples

    def _search(self, text: str, searched: set[str] | None) -> list[tuple[int, float]]:
        """Return row and score of the best clips, best first; `searched` limits the clips."""
        scores = self._gallery.vectors @ self._tower.embed_text([text])[0]
        rows = (int(row) for row in np.argsort(-scores) if searched is None or self._gallery.ids[row] in searched)
        return [(row, float(scores[row])) for row in islice(rows, HITS)]

    def _hit(self, row: int, score: float, is_right: bool | None) -> Hit:
        gallery, name = self._gallery, self._gallery.ids[row]
        return Hit(
            title=gallery.titles.get(name) or name,
            labels=gallery.labels.get(name, ()),
            score=score,
            right=is_right,
            sound=encode_snippet(gallery.uris.get(name, ""), self._s3),
        )


def encode_snippet(uri: str, s3: S3Settings) -> str:
    """Encode the first seconds of a file as a data: address.

    The address is empty if the file cannot be decoded.
    """
    spec = WindowSpec(_RATE, _RATE * _SECONDS, _RATE * _SECONDS, limit=1)
    try:
        with fetch(uri, s3) as fetched:
            window = next(iter(read_windows(fetched.file, spec)))
    except (Rejected, OSError):
        return ""
    buffer = io.BytesIO()
    soundfile.write(buffer, window, _RATE, format="OGG", subtype="VORBIS")
    return f"data:audio/ogg;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _spread(ranks: np.ndarray) -> list[int]:
    """Return the indices of the best, the middle and the worst rank, each once."""
    order = np.argsort(ranks, kind="stable")
    return list(dict.fromkeys(int(order[position]) for position in (0, len(order) // 2, len(order) - 1)))
