"""What is asked of `tonelake recommend` and `tonelake playlists`."""

from dataclasses import dataclass

# Tracks that all but repeat another give way; up to here the figures of docs/recommend.md do not move.
DIVERSITY = 0.2


@dataclass(frozen=True, slots=True)
class RecommendRequest:
    """`interests` None: as many as the listening shows. `diversity` from 0, the nearest, to below 1."""

    history: str
    k: int = 20
    where: str | None = None
    interests: int | None = None
    diversity: float = DIVERSITY
    embedding_version: str | None = None
    number: int | None = None


@dataclass(frozen=True, slots=True)
class PlaylistsRequest:
    """`data` is a folder of the Million Playlist Dataset, `interactions` a file; one of them."""

    data: str | None = None
    interactions: str | None = None
    judged: int = 1000
    seed: int = 0
    interests: int | None = None
    diversity: float = DIVERSITY
    embedding_version: str | None = None
    number: int | None = None
