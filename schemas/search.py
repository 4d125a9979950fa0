"""Records of a search: what is asked, its hits, and the scores of their tags."""

from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Literal

from schemas.errors import UserError


@dataclass(frozen=True, slots=True)
class TagScore:
    """A tag and its score, rounded to four digits."""

    name: str
    score: float

    def to_json(self) -> dict[str, Any]:
        """Return the fields as a JSON object."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class SearchFilters:
    """The filters of a search, as people write them; a hit passes all of them.

    `where` is SQL, `tags` and `genres` are names, `year` is "1990" or "1990-1999", `min_duration` seconds or "1:30",
    `bpm` "118-122", `key` "A minor". `on`, `territory` and `any_date` are those of schemas.rights.RightsFilter.
    `within` are the ids of the tracks to search; None stands for all.
    """

    where: str | None = None
    tags: tuple[str, ...] = ()
    genres: tuple[str, ...] = ()
    artist: str | None = None
    year: str | None = None
    min_duration: str | None = None
    bpm: str | None = None
    key: str | None = None
    on: str | None = None
    territory: str | None = None
    any_date: bool = False
    within: tuple[str, ...] | None = None

    def are_named(self) -> bool:
        """Tell whether any filter but the rights is given: such a search needs no query."""
        names = ("where", "tags", "genres", "artist", "year", "min_duration", "bpm", "key")
        return self.within is not None or any(getattr(self, name) for name in names)


NO_FILTERS = SearchFilters()
MAX_COMPARED = 2000  # hits that are compared with each other; the time of that grows with the square


@dataclass(frozen=True, slots=True)
class Moment:
    """A stretch of a track, in seconds, and its score.

    That is the cosine with a query of one part, or the score of several parts.
    """

    start_s: float
    end_s: float
    score: float


PartKind = Literal["text", "track", "file", "upload"]


@dataclass(frozen=True, slots=True)
class QueryPart:
    """A text, a track or an audio file that hits are like.

    They are unlike it if the weight is below 0. `value` is the text; a track's id, the beginning of an id, path or
    title; the file's path; or the id of a file that was sent to a service. Raises UserError if the weight is not from
    -1 to 1.
    """

    kind: PartKind
    value: str
    weight: float = 1.0

    def __post_init__(self) -> None:
        if not -1 <= self.weight <= 1:
            raise UserError(f"the weight {self.weight:g} of {self.value!r} is out of range: give one from -1 to 1")


@dataclass(frozen=True, slots=True)
class Query:
    """A question to a lake: find the k best tracks.

    Without parts, the filters alone choose them. `distinct` lists a recording once, whatever its encodes; at most
    `per_artist` tracks are of one artist; `diversity` is from 0 (the best tracks) to 1 (the most different). Both
    imply `distinct`. With `segments`, find the k best moments: a track may have several. With `explain` each hit says
    what found it. Raises UserError if a number is out of range.
    """

    parts: tuple[QueryPart, ...] = ()
    filters: SearchFilters = NO_FILTERS
    k: int = 10
    per_artist: int | None = None
    diversity: float = 0.0
    distinct: bool = False
    segments: bool = False
    explain: bool = False

    def __post_init__(self) -> None:
        if self.parts and not any(part.weight for part in self.parts):
            raise UserError("every weight is 0: give a part of the query another one, from -1 to 1")
        if self.segments and self.is_diverse:
            raise UserError(
                "--segments lists moments of any track: leave out --per-artist, --diversity and --distinct"
            )
        if self.segments and self.explain:
            raise UserError("--explain says what found a track, not a moment: leave out --segments or --explain")
        if self.per_artist is not None and self.per_artist < 1:
            raise UserError(f"--per-artist {self.per_artist} leaves nothing: give 1 or more")
        if not 0 <= self.diversity <= 1:
            raise UserError(f"--diversity {self.diversity:g} is out of range: give one from 0 to 1")
        if self.is_diverse and self.k > MAX_COMPARED:
            advice = "with --per-artist, --diversity or --distinct at most"
            raise UserError(f"{self.k:,} tracks are too many to compare with each other: {advice} {MAX_COMPARED:,}")

    @property
    def is_diverse(self) -> bool:
        """Whether the hits are chosen from more candidates than k."""
        return self.distinct or self.per_artist is not None or self.diversity > 0


@dataclass(frozen=True, slots=True)
class SearchHit:
    """One result of a search.

    `rank` counts from 1, `tags` are best first. `score` is the cosine; without a query it is the score of the tag that
    was searched for (of several the lowest), or None. Unknown metadata is None or empty. `extra` are the manifest's
    own columns. `stale_since`: the file has changed since then, or cannot be read. `copies` are the ids of other
    encodes of the recording that were left out. `found_by` are the parts of the query that found it, such as "sound:
    cosine 0.412", where that was asked for.
    `best` is the track's moment that is nearest to the query; None without a query, and if the lake keeps no windows
    of the track.
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
    duration_s: float | None = None
    isrc: str | None = None
    available_from: str | None = None
    available_to: str | None = None
    territories: tuple[str, ...] = ()
    extra: dict[str, Any] = field(default_factory=dict)
    copies: tuple[str, ...] = ()
    found_by: tuple[str, ...] = ()
    best: Moment | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the fields as a JSON object."""
        return asdict(self) | {"stale_since": self.stale_since.isoformat() if self.stale_since else None}


@dataclass(frozen=True, slots=True)
class Answer:
    """The hits of a query, and remarks that a person should read."""

    hits: list[SearchHit]
    remarks: tuple[str, ...] = ()
