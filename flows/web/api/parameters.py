"""The parameters of a search, the same in an address, in JSON and in the page's own addresses."""

from typing import Annotated, Any

from fastapi import Query as FromAddress
from pydantic import BaseModel, ConfigDict, Field

from flows.search.parts import parse_part
from flows.web.rules import ServeRules
from schemas.errors import UserError
from schemas.search import Query, QueryPart, SearchFilters

UPLOAD = "upload:"  # before the id of a file that was sent to the service
MAX_K = 1000
_Text = Annotated[str, Field(max_length=1000)]
_Texts = Annotated[list[_Text], Field(max_length=32)]
_Short = Annotated[str, Field(max_length=200)]


class FilterParameters(BaseModel):
    """The filters of a search."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    artist: _Short | None = Field(None, description="Only tracks of this artist")
    genre: Annotated[list[_Short], Field(max_length=32)] = Field([], description="Only tracks of all these genres")
    tag: Annotated[list[_Short], Field(max_length=32)] = Field([], description="Only tracks with all these tags")
    year: _Short | None = Field(None, description="1990 or 1990-1999")
    min_duration: _Short | None = Field(None, description="Seconds, or 1:30")
    bpm: _Short | None = Field(None, description="A tempo or a range, such as 118-122")
    key: _Short | None = Field(None, description='"A minor", F#, or 8A')
    where: str | None = Field(None, description="SQL on any column: label = 'ECM'")
    on: _Short | None = Field(None, description="A day such as 2026-12-24; today without it")
    territory: _Short | None = Field(None, description="A code such as DE")
    any_date: bool = Field(False, description="Also tracks that are not available today")

    def filters(self, rules: ServeRules) -> SearchFilters:
        """Return the filters. Raises UserError if `where` is too long."""
        if len(self.where or "") > rules.where_chars:
            raise UserError(f"--where has {len(self.where or ''):,} characters: give at most {rules.where_chars:,}")
        names = ("where", "artist", "year", "min_duration", "bpm", "key", "on", "territory", "any_date")
        given: dict[str, Any] = {name: getattr(self, name) for name in names}
        return SearchFilters(tags=tuple(self.tag), genres=tuple(self.genre), **given)


class SearchParameters(FilterParameters):
    """A search. TRACK is an id, the beginning of an id, or a title, `upload:HASH` a file that was sent before."""

    text: _Text | None = Field(None, description="Music that these words describe")
    also: _Texts = Field([], description="Words that count as well; TEXT:0.5 has a weight")
    not_: _Texts = Field([], alias="not", description="Words that must not describe it")
    like: _Texts = Field([], description="Tracks that sound like TRACK, or like TRACK:0.5")
    unlike: _Texts = Field([], description="Tracks that do not sound like TRACK")
    k: int = Field(10, ge=1, le=MAX_K, description="Number of hits")
    per_artist: int | None = Field(None, ge=1, description="At most so many tracks of an artist")
    diversity: float = Field(0.0, ge=0, le=1, description="From 0 (the best) to 1 (the most different)")
    distinct: bool = Field(False, description="A recording once, whatever its encodes")
    segments: bool = Field(False, description="Moments of tracks instead of whole tracks")
    explain: bool = Field(False, description="Say of each hit what found it")
    encoder: _Short | None = Field(None, description="Read this embedding_version; the live one without it")

    def query(self, rules: ServeRules) -> Query:
        """Return the query. Raises UserError if it contradicts itself."""
        choice = {"per_artist": self.per_artist, "diversity": self.diversity, "distinct": self.distinct}
        options = {"segments": self.segments, "explain": self.explain}
        return Query(self.parts(), self.filters(rules), self.k, **choice, **options)

    def parts(self) -> tuple[QueryPart, ...]:
        """Return the parts of the query. Raises UserError if a weight is out of range."""
        texts = [self.text] if self.text is not None else []
        given = {"text": texts, "also": self.also, "not": self.not_, "like": self.like, "unlike": self.unlike}
        return tuple(_part(option, value) for option, values in given.items() for value in values)


def _part(option: str, typed: str) -> QueryPart:
    """Return a part; `upload:HASH` names a file that was sent before."""
    part = parse_part(option, typed)
    if part.kind == "track" and part.value.startswith(UPLOAD):
        return QueryPart("upload", part.value.removeprefix(UPLOAD), part.weight)
    return part


SearchFromAddress = Annotated[SearchParameters, FromAddress()]
