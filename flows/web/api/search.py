"""/api/v1/search."""

from dataclasses import replace
from typing import Any

from fastapi import APIRouter
from starlette.responses import JSONResponse

from flows.search.engine import answer
from flows.web.api.parameters import SearchFromAddress, SearchParameters
from flows.web.dependencies import ReadersOf, RulesOf
from flows.web.readers import Readers
from flows.web.rules import ServeRules
from schemas.search import SearchHit

router = APIRouter(tags=["search"])
_UNDERSTOOD = "understood: "


@router.get("/search")
def search(parameters: SearchFromAddress, readers: ReadersOf, rules: RulesOf) -> Any:
    """Find tracks by a description, by sound or by a filter."""
    return _answer(parameters, readers, rules)


@router.post("/search")
def search_posted(parameters: SearchParameters, readers: ReadersOf, rules: RulesOf) -> Any:
    """Find tracks like GET, with the parameters as JSON."""
    return _answer(parameters, readers, rules)


def _answer(parameters: SearchParameters, readers: Readers, rules: ServeRules) -> JSONResponse:
    reader = readers.current(parameters.encoder)
    answered = answer(reader, parameters.query(rules))
    understood = [remark for remark in answered.remarks if remark.startswith(_UNDERSTOOD)]
    document = {
        "embedding_version": reader.spec.embedding_version,
        "release": None,
        "understood": [remark.removeprefix(_UNDERSTOOD) for remark in understood],
        "remarks": [remark for remark in answered.remarks if remark not in understood],
        "hits": [hit_json(hit, rules) for hit in answered.hits],
        "next": None,
    }
    return JSONResponse(document)


def hit_json(hit: SearchHit, rules: ServeRules) -> dict[str, Any]:
    """Return a hit; beyond this machine without its path."""
    return (replace(hit, uri=None) if rules.is_remote else hit).to_json()
