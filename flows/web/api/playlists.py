"""/api/v1/playlist."""

from dataclasses import replace
from typing import Annotated, Any, Literal
from urllib.parse import quote

from fastapi import APIRouter, Request
from fastapi import Query as FromAddress
from pydantic import Field
from starlette.responses import Response

from flows.search.playlist import compose_playlist
from flows.search.playlist_files import format_playlist
from flows.web.answers import json_response
from flows.web.api.examples import PLAYLIST
from flows.web.api.parameters import PartParameters
from flows.web.dependencies import ReadersOf, RulesOf, SelectionsOf
from flows.web.limits import AdmitQuery, run_timed
from flows.web.problems import RESPONSES
from flows.web.readers import Readers
from flows.web.rules import ServeRules
from flows.web.selections import Selections
from schemas.errors import UserError
from schemas.playlists import PER_ARTIST, Playlist, PlaylistRequest
from schemas.recommend import DIVERSITY
from schemas.search import MAX_COMPARED

router = APIRouter(tags=["playlists"], dependencies=[AdmitQuery], responses=RESPONSES)
_MEDIA_TYPES = {
    "m3u8": "application/vnd.apple.mpegurl",
    "jspf": "application/jspf+json",
    "csv": "text/csv; charset=utf-8",
}
_FILES = {
    "description": "The playlist",
    "content": {"application/json": {"example": PLAYLIST}} | {name: {} for name in _MEDIA_TYPES.values()},
}
_MAX_PATH = 100  # each track of a path is a search of its own
_Name = Annotated[str, Field(max_length=500)]


class PlaylistParameters(PartParameters):
    """A playlist of a query, of a path between two tracks, or of listed tracks."""

    start: _Name | None = Field(None, alias="from", description="The first track of a path")
    end: _Name | None = Field(None, alias="to", description="The last track of a path")
    tracks: Annotated[list[_Name], Field(max_length=MAX_COMPARED)] | None = Field(
        None, description="Tracks to put in order"
    )
    n: int | None = Field(None, ge=1, le=MAX_COMPARED, description="Number of tracks")
    minutes: float | None = Field(None, gt=0, le=10_000, description="Fill so many minutes, in the place of n")
    per_artist: int = Field(PER_ARTIST, ge=1, le=MAX_COMPARED, description="At most so many tracks of an artist")
    diversity: float = Field(DIVERSITY, ge=0, le=1, description="From 0 (the best) to 1 (the most different)")
    order: Literal["flow", "rank"] = Field("flow", description="flow: neighbours sound alike; rank: the best first")
    title: _Name | None = Field(None, description="The title of the playlist")
    format: Literal["json", "m3u8", "jspf", "csv"] = Field("json", description="What is answered")

    def request(self, rules: ServeRules, selections: Selections) -> PlaylistRequest:
        """Return what is asked for. Raises UserError if it contradicts itself."""
        names = ("start", "end", "minutes", "per_artist", "diversity", "order")
        title = self.title or (None if self.start else self.text or "playlist")
        tracks = None if self.tracks is None else tuple(self.tracks)
        if self.start is not None and (self.n or 0) > _MAX_PATH:
            raise UserError(f"-n {self.n} is too long for a path here: give at most {_MAX_PATH}")
        given: dict[str, Any] = {name: getattr(self, name) for name in names}
        filters = self.filters(rules, selections)
        return PlaylistRequest(self.parts(), filters, tracks=tracks, count=self.n, title=title, **given)


@router.get("/playlist", responses={200: _FILES})
def playlist(
    parameters: Annotated[PlaylistParameters, FromAddress()],
    request: Request,
    readers: ReadersOf,
    rules: RulesOf,
    selections: SelectionsOf,
) -> Response:
    """Make a playlist, as JSON or as a file.

    It has paths on this machine, and /audio addresses beyond it.
    """
    return _make(parameters, request, readers, rules, selections)


@router.post("/playlist", responses={200: _FILES})
def playlist_posted(
    parameters: PlaylistParameters, request: Request, readers: ReadersOf, rules: RulesOf, selections: SelectionsOf
) -> Response:
    """Make a playlist as GET does, with the parameters as JSON, for long ones."""
    return _make(parameters, request, readers, rules, selections)


def _make(
    parameters: PlaylistParameters, request: Request, readers: Readers, rules: ServeRules, selections: Selections
) -> Response:
    wanted = parameters.request(rules, selections)

    def work() -> Playlist:
        return readers.ask(parameters.encoder, lambda reader: compose_playlist(reader, wanted))

    made = run_timed(request, work, parameters.seconds(rules))
    if rules.is_remote:
        made = _with_addresses(made, str(request.base_url).rstrip("/"))
    if parameters.format == "json":
        return json_response(made.to_json() | {"remarks": made.remarks})
    text = format_playlist(made, f".{parameters.format}")
    name = quote(f"{made.title[:100]}.{parameters.format}", safe="")
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{name}"}
    return Response(text.encode("utf-8", "replace"), headers=headers, media_type=_MEDIA_TYPES[parameters.format])


def _with_addresses(made: Playlist, base: str) -> Playlist:
    """Return the playlist with addresses of this service in the place of paths. They contain no token."""
    tracks = [
        replace(track, hit=replace(track.hit, uri=f"{base}/audio/{quote(track.hit.track_id, safe='')}"))
        for track in made.tracks
    ]
    return replace(made, tracks=tuple(tracks))
