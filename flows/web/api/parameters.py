"""The parameters of a search.

They are the same in an address, in JSON and in the page's own addresses.
"""

from dataclasses import replace
from typing import Annotated, Any

from fastapi import Query as FromAddress
from pydantic import BaseModel, ConfigDict, Field

from flows.search.parts import parse_part
from flows.web.limits import require_modest
from flows.web.rules import ServeRules
from flows.web.selections import MAX_ID, MAX_WITHIN, PREFIX, Selections
from schemas.errors import UserError
from schemas.search import Query, QueryPart, SearchFilters

UPLOAD = "upload:"  # before the id of a file that was sent to the service
MAX_HITS = 1000  # of all pages of a search together
MAX_PARTS = 32  # each text costs 10 ms of a core
_Text = Annotated[str, Field(max_length=1000)]
_Texts = Annotated[list[_Text], Field(max_length=32)]
_Short = Annotated[str, Field(max_length=200)]
_Names = Annotated[list[_Short], Field(max_length=32)]


class FilterParameters(BaseModel):
    """The filters of a search."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    artist: _Short | None = Field(None, description="Only tracks of this artist", examples=["Low Roar"])
    genre: _Names = Field([], description="Only tracks of all these genres", examples=[["Jazz"]])
    tag: _Names = Field([], description="Only tracks with all these tags", examples=[["piano"]])
    year: _Short | None = Field(None, description="1990 or 1990-1999", examples=["1990-1999"])
    min_duration: _Short | None = Field(None, description="Seconds, or 1:30", examples=["1:30"])
    bpm: _Short | None = Field(None, description="A tempo or a range", examples=["118-122"])
    key: _Short | None = Field(None, description='"A minor", F#, or 8A', examples=["A minor"])
    where: str | None = Field(None, description="SQL on any column", examples=["duration_s > 60"])
    on: _Short | None = Field(None, description="A day; today without it", examples=["2026-12-24"])
    territory: _Short | None = Field(None, description="A code of two letters", examples=["DE"])
    any_date: bool = Field(False, description="Also tracks that are not available today")
    within: str | None = Field(
        None, description="Only these tracks: ids separated by commas, or selection:ID", examples=["selection:4f2a"]
    )
    encoder: _Short | None = Field(None, description="Read this embedding_version; the live one without it")

    def filters(self, rules: ServeRules, selections: Selections) -> SearchFilters:
        """Return the filters. Raises UserError if `where` is immodest, NotFound if the selection is forgotten."""
        if self.where is not None:
            require_modest(self.where, rules.where_chars, rules.is_remote)
        names = ("where", "artist", "year", "min_duration", "bpm", "key", "on", "territory", "any_date")
        given: dict[str, Any] = {name: getattr(self, name) for name in names}
        within = None if self.within is None else _track_ids(self.within, selections)
        return SearchFilters(tags=tuple(self.tag), genres=tuple(self.genre), within=within, **given)

    def seconds(self, rules: ServeRules) -> float | None:
        """Return how long the question may take; None without `where`."""
        return None if self.where is None else rules.where_seconds


class PartParameters(FilterParameters):
    """The words and tracks of a search.

    TRACK is an id, the beginning of an id, or a title; `upload:HASH` is a file that was sent before.
    """

    text: _Text | None = Field(None, description="Music that these words describe", examples=["slow piano at night"])
    also: _Texts = Field([], description="Words that count as well; TEXT:0.5 has a weight", examples=[["rain:0.3"]])
    not_: _Texts = Field([], alias="not", description="Words that must not describe it", examples=[["drums"]])
    like: _Texts = Field([], description="Tracks that sound like TRACK, or like TRACK:0.5")
    unlike: _Texts = Field([], description="Tracks that do not sound like TRACK")

    def parts(self) -> tuple[QueryPart, ...]:
        """Return the parts of the query. Raises UserError if a weight is out of range, or if there are too many."""
        texts = [self.text] if self.text is not None else []
        given = {"text": texts, "also": self.also, "not": self.not_, "like": self.like, "unlike": self.unlike}
        parts = tuple(_part(option, value) for option, values in given.items() for value in values)
        if len(parts) > MAX_PARTS:
            raise UserError(f"a query of {len(parts)} words and tracks is too long: give at most {MAX_PARTS}")
        return parts


class SearchParameters(PartParameters):
    """A search."""

    k: int = Field(10, ge=1, le=MAX_HITS, description="Number of hits of a page")
    per_artist: int | None = Field(None, ge=1, le=MAX_HITS, description="At most so many tracks of an artist")
    diversity: float = Field(0.0, ge=0, le=1, description="From 0 (the best) to 1 (the most different)")
    distinct: bool = Field(False, description="A recording once, whatever its encodes")
    segments: bool = Field(False, description="Moments of tracks instead of whole tracks")
    explain: bool = Field(False, description="Say of each hit what found it")
    cursor: _Text | None = Field(None, description="`next` of the page before")

    def query(self, rules: ServeRules, selections: Selections) -> Query:
        """Return the query. Raises UserError if it contradicts itself, NotFound if the selection is forgotten."""
        choice = {"per_artist": self.per_artist, "diversity": self.diversity, "distinct": self.distinct}
        options = {"segments": self.segments, "explain": self.explain}
        return Query(self.parts(), self.filters(rules, selections), self.k, **choice, **options)


def _part(option: str, typed: str) -> QueryPart:
    """Return a part; `upload:HASH` names a file that was sent before."""
    part = parse_part(option, typed)
    is_upload = part.kind == "track" and part.value.startswith(UPLOAD)
    return replace(part, kind="upload", value=part.value.removeprefix(UPLOAD)) if is_upload else part


def _track_ids(within: str, selections: Selections) -> tuple[str, ...]:
    if within.startswith(PREFIX):
        return selections.find(within.removeprefix(PREFIX))
    track_ids = tuple(dict.fromkeys(filter(None, within.split(","))))
    if len(track_ids) > MAX_WITHIN:
        raise UserError(f"`within` names {len(track_ids):,} tracks: give at most {MAX_WITHIN:,}, or use filters")
    if any(len(track_id) > MAX_ID for track_id in track_ids):
        raise UserError(f"`within` is ids separated by commas: one has more than {MAX_ID} characters")
    return track_ids


FiltersFromAddress = Annotated[FilterParameters, FromAddress()]
PartsFromAddress = Annotated[PartParameters, FromAddress()]
SearchFromAddress = Annotated[SearchParameters, FromAddress()]
