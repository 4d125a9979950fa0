"""Records of `tonelake playlists`: what was evaluated, the figures, and the gains over the baselines."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class ContinuationCoverage:
    """The numbers of playlists and tracks behind the figures.

    `tracks` are those of the source, `tracks_matched` those that the lake holds. `judged` playlists are evaluated;
    `counted_for_popularity` are the others. `candidates` are the tracks that may be recommended.
    """

    playlists: int
    playlists_with_two_tracks: int
    tracks: int
    tracks_matched: int
    judged: int
    counted_for_popularity: int
    candidates: int


@dataclass(frozen=True, slots=True)
class ContinuationFigure:
    """The mean of a metric over playlists, with its 95 % interval.

    `seeds` is the category of the tasks: which tracks of a playlist are shown.
    """

    seeds: str
    method: str
    playlists: int
    metric: str
    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class ContinuationGain:
    """The mean paired difference of a metric to the baseline `over`.

    `low` and `high` are its 95 % interval.
    """

    seeds: str
    method: str
    over: str
    metric: str
    gain: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class ContinuationReport:
    """The result of an evaluation; `source` is the folder or the file of the playlists."""

    run_id: str
    encoder: str
    embedding_version: str
    source: str
    coverage: ContinuationCoverage
    figures: tuple[ContinuationFigure, ...]
    gains: tuple[ContinuationGain, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object that is printed and stored in `runs`."""
        return asdict(self)
