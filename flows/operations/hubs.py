"""`tonelake doctor --hubs`: tracks that stand in too many answers, whatever is asked.

Source: Radovanović, Nanopoulos and Ivanović, "Hubs in Space", JMLR 11, 2010.
"""

from collections import Counter
from dataclasses import dataclass

from flows.console.progress import progress_bar
from flows.search.reader import Reader, open_reader
from flows.search.track_rows import read_hits
from lake.embeddings.filters import Filter
from lake.embeddings.search import nearest_rows
from schemas.settings import Settings
from schemas.tables import embeddings_table
from workers.text.query_words import music_words

ANSWER_LENGTH = 10
MIN_SHARE, MIN_RATIO = 0.1, 5.0


@dataclass(frozen=True, slots=True)
class Hub:
    """A track that stands in `answers` of `questions` answers; a track stands in `expected` of them on average."""

    track_id: str
    title: str | None
    artist: str | None
    answers: int
    questions: int
    expected: float

    def row(self) -> dict[str, str | int | float | None]:
        """Return the row for output."""
        fields = ("track_id", "title", "artist", "answers", "questions")
        return {name: getattr(self, name) for name in fields} | {"expected": round(self.expected, 2)}


def find_hubs(settings: Settings, embedding_version: str | None = None) -> list[Hub]:
    """Return the tracks that are among the ten best of too many words, those in most answers first.

    The questions are the words of music that the text tower is asked for. A hub stands in at least a tenth of the
    answers, and in five times as many as the average track. Raises UserError if the encoder has no text tower, or if
    none or several versions match.
    """
    reader = open_reader(settings, embedding_version)
    words = sorted(music_words())
    found = _count_answers(reader, words)
    expected = ANSWER_LENGTH * len(words) / max(1, reader.lake.table(embeddings_table(reader.spec)).count_rows())
    least = max(MIN_SHARE * len(words), MIN_RATIO * expected)
    counts = {track: count for track, count in found.most_common() if count >= least}
    hits = read_hits(reader, list(counts))
    return [Hub(hit.track_id, hit.title, hit.artist, counts[hit.track_id], len(words), expected) for hit in hits]


def _count_answers(reader: Reader, words: list[str]) -> Counter[str]:
    """Return in how many answers each track stands; those that may not be shown today stand in none."""
    condition, found = Filter(unavailable=reader.unavailable(None)), Counter[str]()
    with progress_bar("asking words of music", len(words)) as advance:
        for word in words:
            vector = reader.text.embed(word)
            rows = nearest_rows(reader.lake, reader.spec, vector, ANSWER_LENGTH, ["track_id"], condition)
            found.update(rows["track_id"].to_pylist())
            advance()
    return found
