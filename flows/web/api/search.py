"""/api/v1/search, /facets and /selections."""

from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.responses import Response

from flows.search.engine import answer
from flows.search.facets import Facets, count_facets
from flows.search.reader import Reader
from flows.web.answers import Page, Responder, ResponderOf
from flows.web.api.examples import FACETS, SEARCH, example
from flows.web.api.parameters import (
    MAX_HITS,
    FilterParameters,
    FiltersFromAddress,
    SearchFromAddress,
    SearchParameters,
)
from flows.web.dependencies import SelectionsOf
from flows.web.limits import AdmitQuery
from flows.web.paths import hide_hit
from flows.web.problems import RESPONSES
from flows.web.rules import ServeRules
from flows.web.selections import MAX_ID, MAX_WITHIN, Selections
from schemas.search import QueryPart, SearchHit

router = APIRouter(tags=["search"], dependencies=[AdmitQuery], responses=RESPONSES)
_UNDERSTOOD = "understood: "


class SearchAnswer(BaseModel):
    """The hits of a search.

    `understood` says which names and words were recognized, `remarks` what a person should read. `next` is the cursor
    of the next page; null after the last one.
    """

    embedding_version: str
    release: int | None
    understood: list[str]
    remarks: list[str]
    hits: list[SearchHit]
    next: str | None


class Selection(BaseModel):
    """Ids of tracks that a person chose."""

    tracks: Annotated[list[Annotated[str, Field(max_length=MAX_ID)]], Field(min_length=1, max_length=MAX_WITHIN)]


class SelectionId(BaseModel):
    """The id of a selection, for `within=selection:ID`."""

    selection: str
    tracks: int


@router.get("/search", response_model=SearchAnswer, responses=example(SEARCH))
def search(parameters: SearchFromAddress, responder: ResponderOf, selections: SelectionsOf) -> Response:
    """Find tracks by a description, by sound or by a filter."""
    return find(parameters, responder, selections)


@router.post("/search", response_model=SearchAnswer, responses=example(SEARCH))
def search_posted(parameters: SearchParameters, responder: ResponderOf, selections: SelectionsOf) -> Response:
    """Find tracks as GET does, with the parameters as JSON, for long ones."""
    return find(parameters, responder, selections)


@router.get("/facets", response_model=Facets, responses=example(FACETS))
def facets(parameters: FiltersFromAddress, responder: ResponderOf, selections: SelectionsOf) -> Response:
    """Count the genres, tags, years and artists of the tracks that pass the filters."""
    return _count(parameters, responder, selections)


@router.post("/facets", response_model=Facets, responses=example(FACETS))
def facets_posted(parameters: FilterParameters, responder: ResponderOf, selections: SelectionsOf) -> Response:
    """Count as GET does, with the filters as JSON, for long ones."""
    return _count(parameters, responder, selections)


@router.post("/selections")
def select(selection: Selection, selections: SelectionsOf) -> SelectionId:
    """Keep a selection of tracks for a while, to filter by it: within=selection:ID."""
    track_ids = list(dict.fromkeys(selection.tracks))
    return SelectionId(selection=selections.add(track_ids), tracks=len(track_ids))


def find(
    parameters: SearchParameters, responder: Responder, selections: Selections, parts: tuple[QueryPart, ...] = ()
) -> Response:
    """Answer a search with the page of hits that its cursor names.

    `parts` are parts of the query besides those of the parameters.
    """
    query, rules, encoder = parameters.query(responder.rules, selections), responder.rules, parameters.encoder
    query = replace(query, parts=(*parts, *query.parts))
    page = Page.from_cursor(parameters.cursor)
    responder.require_same(page, encoder)
    end = min(page.start + query.k, MAX_HITS)

    def question(reader: Reader) -> dict[str, Any]:
        answered = answer(reader, replace(query, k=end))
        hits = answered.hits
        has_more = len(hits) == end < MAX_HITS
        understood = [remark for remark in answered.remarks if remark.startswith(_UNDERSTOOD)]
        return {
            "embedding_version": reader.spec.embedding_version,
            "release": reader.release,
            "understood": [remark.removeprefix(_UNDERSTOOD) for remark in understood],
            "remarks": [remark for remark in answered.remarks if remark not in understood],
            "hits": [hit_json(hit, rules) for hit in hits[page.start :]],
            "next": responder.next_page(end, encoder) if has_more else None,
        }

    return responder.respond(encoder, question, parameters.seconds(rules))


def hit_json(hit: SearchHit, rules: ServeRules) -> dict[str, Any]:
    """Return a hit; beyond this machine without its path."""
    return (hide_hit(hit) if rules.is_remote else hit).to_json()


def _count(parameters: FilterParameters, responder: Responder, selections: Selections) -> Response:
    filters = parameters.filters(responder.rules, selections)
    seconds = parameters.seconds(responder.rules)
    return responder.respond(parameters.encoder, lambda reader: count_facets(reader, filters).to_json(), seconds)
