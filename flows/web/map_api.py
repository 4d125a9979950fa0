"""/api/v1/map: the points of the catalogue, their colours and regions, and what a lasso selects."""

import hashlib
import json
import struct
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Request
from fastapi import Query as FromAddress
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse, Response

from flows.map.colours import colour_by, colour_by_score
from flows.map.points import STEPS
from flows.search.track_rows import read_hits
from flows.web.answers import is_known
from flows.web.api.parameters import PartParameters
from flows.web.api.search import hit_json
from flows.web.dependencies import RulesOf, SelectionsOf, of_state
from flows.web.limits import AdmitQuery
from flows.web.maps import Maps
from flows.web.problems import RESPONSES
from flows.web.selections import MAX_WITHIN, PREFIX, Selections
from schemas.errors import UserError
from schemas.search import QueryPart

router = APIRouter(tags=["map"], dependencies=[AdmitQuery], responses=RESPONSES)
BINARY = "application/octet-stream"
MAX_SHOWN = 200  # tracks that are named at once
MAX_CORNERS = 300  # of a lasso; map.js thins longer ones
_Corner = Annotated[float, Field(allow_inf_nan=False)]
_Text = Annotated[str, Field(max_length=200)]
_Texts = Annotated[list[_Text], Field(max_length=8)]
_ALIGNED = 4  # bytes: where the numbers begin, so that a browser reads them in place
_Encoder = Annotated[str | None, FromAddress(max_length=200, description="An embedding_version; without it, the live")]
_Name = Annotated[str, FromAddress(alias="map", max_length=64, description="`map` of the header of /map")]


MapsOf = Annotated[Maps, of_state("maps")]


class ColourParameters(BaseModel):
    """What gives a point its colour.

    It is `genre`, `tag`, `year`, or `score` with the parts of a search, which are shorter here: an address has no room
    for more.
    """

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    map: Annotated[str, Field(max_length=64)] = Field(description="`map` of the header of /map")
    by: Annotated[str, Field(max_length=20)] = Field("tag", description="genre, tag, year or score")
    name: _Text | None = Field(None, description="by=tag: the score of this tag")
    encoder: _Text | None = Field(None, description="An embedding_version; the live one without it")
    text: _Text | None = Field(None, description="by=score: music that these words describe")
    also: _Texts = Field([], description="by=score: words that count as well; TEXT:0.5 has a weight")
    not_: _Texts = Field([], alias="not", description="by=score: words that must not describe it")
    like: _Texts = Field([], description="by=score: tracks that sound like TRACK, or like TRACK:0.5")
    unlike: _Texts = Field([], description="by=score: tracks that do not sound like TRACK")

    def parts(self) -> tuple[QueryPart, ...]:
        """Return the parts of the search. Raises UserError if a weight is out of range."""
        names = ("text", "also", "not_", "like", "unlike")
        return PartParameters(**{name: getattr(self, name) for name in names}).parts()


class Lasso(BaseModel):
    """Points of a map, by their indices or by a polygon around them.

    Its corners are from 0 to 1.
    """

    model_config = ConfigDict(extra="forbid")

    map: Annotated[str, Field(max_length=64)]
    indices: Annotated[list[int], Field(max_length=MAX_WITHIN)] | None = None
    polygon: Annotated[list[tuple[_Corner, _Corner]], Field(min_length=3, max_length=MAX_CORNERS)] | None = None
    encoder: Annotated[str | None, Field(max_length=200)] = None


@router.get("/map", response_class=Response, responses={200: {"content": {BINARY: {}}}})
def points(request: Request, maps: MapsOf, encoder: _Encoder = None) -> Response:
    """Return all points that may be shown today.

    The body is the length of a JSON header as uint32, the header, and x and y of each point as uint16, from 0 to
    `steps`; all little-endian. The header is padded so that the points begin at a multiple of four bytes.
    """
    served = maps.current(encoder)
    header = {
        "map": served.name,
        "embedding_version": served.reader.spec.embedding_version,
        "points": len(served.points.rows),
        "missing": served.points.missing,
        "steps": STEPS,
        "low": served.points.bounds[0],
        "high": served.points.bounds[1],
        "has_tags": served.reader.spec.tagger is not None,
    }
    return _respond(request, header, served.points.coordinates.astype("<u2"))


@router.get("/map/colours", response_class=Response, responses={200: {"content": {BINARY: {}}}})
def colours(
    request: Request,
    maps: MapsOf,
    parameters: Annotated[ColourParameters, FromAddress()],
) -> Response:
    """Return a byte for each point: a category or a step of a scale.

    It is 255 if unknown. The form is that of /map; the header is the legend.
    """
    served = maps.named(parameters.encoder, parameters.map)
    key = parameters.model_dump_json()
    if (known := served.colours.get(key)) is None:
        if parameters.by == "score":
            known = colour_by_score(served.reader, served.points, parameters.parts())
        else:
            known = colour_by(served.reader, served.points, parameters.by, parameters.name)
        served.keep_colours(key, known)
    return _respond(request, known.legend(), known.codes)


@router.get("/map/labels")
def labels(maps: MapsOf, encoder: _Encoder = None) -> Any:
    """Return the named regions of the map.

    A name is the tag that is most over-represented there. Level 0 is seen from far, the others from nearer.
    """
    served = maps.current(encoder)
    return JSONResponse({"map": served.name, "regions": [region.to_json() for region in served.regions]})


@router.get("/map/tracks")
def tracks(
    maps: MapsOf,
    rules: RulesOf,
    name: _Name,
    index: Annotated[list[int], FromAddress(max_length=MAX_SHOWN, description="Points, counted from 0")],
    encoder: _Encoder = None,
) -> Any:
    """Return the tracks of points, in their order."""
    served = maps.named(encoder, name)
    hits = read_hits(served.reader, served.tracks_at(index))
    return JSONResponse({"map": served.name, "tracks": [hit_json(hit, rules) for hit in hits]})


@router.post("/map/selection")
def select(request: Request, lasso: Lasso, maps: MapsOf, selections: SelectionsOf) -> Any:
    """Keep the tracks of a lasso for a while, at most 200,000.

    `within` names them in a search and in a playlist. Two are selected at once; another one gets 429.
    """
    with request.app.state.lassos:
        return _select(lasso, maps, selections)


def _select(lasso: Lasso, maps: Maps, selections: Selections) -> JSONResponse:
    served = maps.named(lasso.encoder, lasso.map)
    if (lasso.indices is None) == (lasso.polygon is None):
        raise UserError("a selection of what? Give `indices` of points or a `polygon`")
    indices = served.inside(lasso.polygon) if lasso.polygon else lasso.indices or []
    if len(indices) > MAX_WITHIN:
        raise UserError(
            f"{len(indices):,} tracks lie there, and a selection has at most {MAX_WITHIN:,}: draw a smaller lasso, or "
            "search all tracks"
        )
    track_ids = served.tracks_at(indices)
    if not track_ids:
        return JSONResponse({"within": None, "tracks": 0})
    return JSONResponse({"within": f"{PREFIX}{selections.add(track_ids)}", "tracks": len(track_ids)})


def _respond(request: Request, header: dict[str, Any], numbers: np.ndarray) -> Response:
    """Return a header and numbers; a 304 without them if the caller has them already."""
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _ALIGNED)
    body = struct.pack("<I", len(text)) + text + numbers.tobytes()
    etag = f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
    headers = {"ETag": etag, "Cache-Control": "private, no-cache", "Vary": "Authorization, Cookie"}
    if is_known(request, etag):
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type=BINARY)
