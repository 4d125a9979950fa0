"""/api/v1/tracks."""

from typing import Annotated, Any

from fastapi import APIRouter, Path
from pydantic import BaseModel
from starlette.responses import Response

from flows.operations.track_details import is_searchable, read_track
from flows.search.reader import Reader
from flows.search.track_moments import find_track_moments
from flows.web.answers import ResponderOf, json_response
from flows.web.api.examples import MOMENTS, SEARCH, example
from flows.web.api.parameters import PartsFromAddress, SearchFromAddress
from flows.web.api.search import SearchAnswer, find
from flows.web.dependencies import ReadersOf, RulesOf, SelectionsOf, SettingsOf
from flows.web.limits import AdmitQuery
from flows.web.paths import hide_all
from flows.web.problems import RESPONSES
from schemas.errors import NotFound
from schemas.search import Moment, QueryPart

# An id of a manifest may contain slashes, so the address of the track itself comes last.
router = APIRouter(tags=["tracks"], dependencies=[AdmitQuery], responses=RESPONSES)
TrackId = Annotated[str, Path(min_length=1, max_length=500, description="The whole id of a track")]


class TrackMoments(BaseModel):
    """The moments of a track, the best first.

    There are none if the lake keeps no windows of it.
    """

    track_id: str
    moments: list[Moment]


@router.get("/tracks/{track_id:path}/similar", response_model=SearchAnswer, responses=example(SEARCH))
def similar(
    track_id: TrackId, parameters: SearchFromAddress, responder: ResponderOf, selections: SelectionsOf
) -> Response:
    """Find tracks that sound like this one, and pass the filters."""
    responder.readers.ask(parameters.encoder, lambda reader: _require(reader, track_id))
    return find(parameters, responder, selections, (QueryPart("track", track_id),))


@router.get("/tracks/{track_id:path}/segments", response_model=TrackMoments, responses=example(MOMENTS))
def segments(track_id: TrackId, parameters: PartsFromAddress, responder: ResponderOf) -> Response:
    """Find the moments of this track that are near to a query.

    Without a query, they are those that stand for the track.
    """
    parts = parameters.parts()

    def question(reader: Reader) -> dict[str, Any]:
        _require(reader, track_id)
        moments = find_track_moments(reader, track_id, parts)
        return TrackMoments(track_id=track_id, moments=moments).model_dump()

    return responder.respond(parameters.encoder, question)


@router.get("/tracks/{track_id:path}", response_model=dict[str, Any])
def track(track_id: TrackId, readers: ReadersOf, rules: RulesOf, settings: SettingsOf) -> Response:
    """Return what is known of a track.

    That is its hit, its state under each encoder, its file, and its copies. `hit` is null if the release has no row
    of it; `report` says why.
    """
    details = readers.ask(None, lambda reader: read_track(reader, track_id, settings)).to_json()
    return json_response(
        hide_all(details, [details["file"]["uri"], details["file"]["source"]]) if rules.is_remote else details
    )


def _require(reader: Reader, track_id: str) -> None:
    if not is_searchable(reader, track_id):
        raise NotFound(f"there is no track {track_id!r} here: /api/v1/tracks/ID says why, if the lake knows it")
