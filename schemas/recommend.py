"""Requests of `tonelake recommend` and `tonelake playlists`."""

from dataclasses import dataclass

# Near repeats of other tracks are left out; up to this value the figures of docs/recommend.md do not change.
DIVERSITY = 0.2


@dataclass(frozen=True, slots=True)
class RecommendRequest:
    """A request for recommendations.

    `interests` None finds their number in the history. `diversity` lies from 0, the nearest tracks, to below 1. `on`,
    `territory` and `any_date` are those of schemas.rights.RightsFilter.
    """

    history: str
    k: int = 20
    where: str | None = None
    interests: int | None = None
    diversity: float = DIVERSITY
    embedding_version: str | None = None
    release: int | None = None
    on: str | None = None
    territory: str | None = None
    any_date: bool = False


@dataclass(frozen=True, slots=True)
class PlaylistsRequest:
    """A request to evaluate playlist continuation.

    Exactly one of `data`, a folder of the Million Playlist Dataset, and `interactions`, a file, is given. `on`,
    `territory` and `any_date` are those of schemas.rights.RightsFilter.
    """

    data: str | None = None
    interactions: str | None = None
    judged: int = 1000
    seed: int = 0
    interests: int | None = None
    diversity: float = DIVERSITY
    embedding_version: str | None = None
    release: int | None = None
    on: str | None = None
    territory: str | None = None
    any_date: bool = False
