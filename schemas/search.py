"""Records of a search: its hits and the scores of their tags."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class TagScore:
    """A tag and its score, rounded to four digits."""

    name: str
    score: float

    def to_json(self) -> dict[str, Any]:
        """Return the fields as a JSON object."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class SearchHit:
    """One result of a search.

    `rank` counts from 1, `tags` are best first. `score` is the cosine; without a query it is the score of the tag that
    was searched for, or None. Unknown metadata is None or empty. `stale_since`: the file has changed since then, or
    cannot be read.
    """

    rank: int
    track_id: str
    uri: str | None
    title: str | None
    artist: str | None
    album: str | None
    year: int | None
    genres: tuple[str, ...]
    score: float | None
    tags: tuple[TagScore, ...]
    bpm: float | None = None
    musical_key: str | None = None
    mode: str | None = None
    loudness_lufs: float | None = None
    stale_since: datetime | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the fields as a JSON object."""
        return asdict(self) | {"stale_since": self.stale_since.isoformat() if self.stale_since else None}
