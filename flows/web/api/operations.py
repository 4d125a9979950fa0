"""/api/v1/status, runs, releases, quarantine and evaluations: the state of the lake."""

from collections import Counter
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import Response

from flows.evaluation.leaderboard import build_leaderboard
from flows.web.answers import Page, json_response, list_page
from flows.web.api.examples import QUARANTINE, RELEASES, example
from flows.web.dependencies import ReportsOf, RulesOf, SettingsOf
from flows.web.limits import AdmitQuery
from flows.web.paths import hide_all, hide_paths
from flows.web.problems import RESPONSES
from flows.web.rules import ServeRules
from lake.catalogue.runs import list_runs
from lake.releases.releases import list_releases
from lake.storage.lake import Lake
from schemas.errors import UserError

router = APIRouter(tags=["operations"], dependencies=[AdmitQuery], responses=RESPONSES)
Limit = Annotated[int, Query(ge=1, le=1000, description="Number of items of a page")]
Cursor = Annotated[str | None, Query(max_length=1000, description="`next` of the page before")]


@router.get("/status", response_model=dict[str, Any])
def status(reports: ReportsOf, rules: RulesOf) -> Response:
    """Return the coverage of every encoder version, and the sizes of the tables."""
    return _respond(reports.status.get().to_json(), rules)


@router.get("/runs", response_model=dict[str, Any])
def runs(settings: SettingsOf, rules: RulesOf, limit: Limit = 50, cursor: Cursor = None) -> Response:
    """List the runs with their counts and costs, the last one first."""
    items = [run.to_json() for run in list_runs(Lake.at(settings.lake, settings.s3))]
    return _respond(list_page(items, Page.from_cursor(cursor), limit), rules)


@router.get("/releases", response_model=dict[str, Any], responses=example(RELEASES))
def releases(settings: SettingsOf, rules: RulesOf, limit: Limit = 50, cursor: Cursor = None) -> Response:
    """List the releases with the checks of their gates. The last one is the first, and live."""
    published = list_releases(Lake.at(settings.lake, settings.s3))
    items = [release.to_json() | {"live": release is published[-1]} for release in reversed(published)]
    return _respond(list_page(items, Page.from_cursor(cursor), limit), rules)


@router.get("/quarantine", response_model=dict[str, Any], responses=example(QUARANTINE))
def quarantine(
    reports: ReportsOf,
    rules: RulesOf,
    limit: Limit = 50,
    cursor: Cursor = None,
    reason: Annotated[str | None, Query(max_length=100, description="Only tracks with this reason")] = None,
) -> Response:
    """List the tracks that could not be embedded, and count them by reason."""
    tracks = reports.quarantine.get()
    items = [track.to_json() for track in tracks if reason in (None, track.reason)]
    page = list_page(items, Page.from_cursor(cursor), limit)
    if rules.is_remote:
        page["items"] = [hide_all(item, [item["uri"]]) for item in page["items"]]
    return json_response(page | {"reasons": Counter(track.reason for track in tracks)})


@router.get("/evaluations", response_model=dict[str, Any])
def evaluations(
    settings: SettingsOf,
    rules: RulesOf,
    benchmark: Annotated[str | None, Query(max_length=100, description="Only this one")] = None,
) -> Response:
    """Compare encoders with each other and with published figures: the leaderboard."""
    try:
        rows = build_leaderboard(settings, benchmark)
    except UserError as error:
        if benchmark is not None:
            raise
        return _respond({"items": [], "remark": str(error)}, rules)
    items = [row.to_json() for row in rows]
    if rules.is_remote:
        items = [hide_all(item) | {"source": hide_paths(item["source"])} for item in items]
    return json_response({"items": items, "remark": None})


def _respond(document: dict[str, Any], rules: ServeRules) -> Response:
    return json_response(hide_all(document) if rules.is_remote else document)
