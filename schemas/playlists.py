"""Records of `tonelake playlist`: what is asked for, and the playlist."""

from dataclasses import dataclass
from typing import Any

from schemas.errors import UserError
from schemas.names import did_you_mean
from schemas.recommend import DIVERSITY
from schemas.search import MAX_COMPARED, NO_FILTERS, QueryPart, SearchFilters, SearchHit

ORDERS = ("flow", "rank")
PER_ARTIST = 2
COUNT = 20


@dataclass(frozen=True, slots=True)
class PlaylistRequest:
    """A request for a playlist of a query, a path between tracks, or a list.

    `start` and `end` are the tracks of a path, `tracks` the names in a list. At most `count` tracks, or tracks of at
    most `minutes`; without both 20. `per_artist` None is no limit. `order` "flow" puts tracks beside each other that
    sound alike; "rank" puts the best first, or keeps the order of the list. `title` None names the ends of a path.

    Raises UserError if the options contradict each other or are out of range.
    """

    parts: tuple[QueryPart, ...] = ()
    filters: SearchFilters = NO_FILTERS
    start: str | None = None
    end: str | None = None
    tracks: tuple[str, ...] | None = None
    count: int | None = None
    minutes: float | None = None
    per_artist: int | None = PER_ARTIST
    diversity: float = DIVERSITY
    order: str = "flow"
    title: str | None = None

    def __post_init__(self) -> None:
        is_path, is_list = self.start is not None or self.end is not None, self.tracks is not None
        if not (self.parts or is_path or is_list or self.filters.are_named()):
            raise UserError("a playlist of what? Give TEXT, --like TRACK, --from TRACK --to TRACK, or a LIST")
        if is_path + is_list + bool(self.parts) > 1:
            raise UserError("a query, a path (--from, --to) and a LIST exclude each other: give one of them")
        if is_path and (self.start is None or self.end is None):
            raise UserError("a path has two ends: give both, --from TRACK and --to TRACK")
        if self.count is not None and self.minutes is not None:
            raise UserError("-n and --minutes both say how long the playlist is: give one of them")
        if is_path and self.minutes is not None:
            raise UserError("a path has a number of tracks: give -n in the place of --minutes")
        if is_list and (self.count is not None or self.minutes is not None):
            raise UserError("all tracks of a LIST are put in order: leave out -n and --minutes")
        if is_path and self.count is not None and self.count < 2:
            raise UserError(f"-n {self.count} is too short for a path: its two ends are tracks of it")
        if self.minutes is not None and not 0 < self.minutes < float("inf"):
            raise UserError(f"--minutes {self.minutes:g} is no length: give a number above 0")
        if max(self.count or 0, len(self.tracks or ())) > MAX_COMPARED:
            raise UserError(f"a playlist has at most {MAX_COMPARED:,} tracks: give fewer")
        if self.order not in ORDERS:
            hint = did_you_mean(self.order, ORDERS)
            raise UserError(f"--order {self.order!r} is none; {hint}there are {' and '.join(ORDERS)}")


@dataclass(frozen=True, slots=True)
class PlaylistTrack:
    """A track of a playlist.

    `hit.rank` is its position from 1, `step` its cosine to the track before it.
    """

    hit: SearchHit
    step: float | None

    def to_json(self) -> dict[str, Any]:
        """Return the fields as a JSON object; those of the hit stand beside the others."""
        return self.hit.to_json() | {"step": self.step}


@dataclass(frozen=True, slots=True)
class Playlist:
    """Tracks in the order of playing, and remarks that a person should read."""

    title: str
    tracks: tuple[PlaylistTrack, ...]
    remarks: tuple[str, ...] = ()

    @property
    def seconds(self) -> float:
        """The length of all tracks."""
        return sum(track.hit.duration_s or 0.0 for track in self.tracks)

    def to_json(self) -> dict[str, Any]:
        """Return the fields as a JSON object."""
        tracks = [track.to_json() for track in self.tracks]
        return {"title": self.title, "seconds": round(self.seconds, 3), "tracks": tracks}
