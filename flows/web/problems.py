"""Errors in the words of the command line, for programs and for people.

Programs get application/problem+json (RFC 9457), browsers a page.
"""

import json
import logging
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from flows.console.error_messages import error_message
from flows.web.paths import hide_paths
from flows.web.rendering import render_page
from schemas.errors import NotFound, UserError
from schemas.redaction import sanitize

MEDIA_TYPE = "application/problem+json"
_KEPT_HEADERS = ("Retry-After", "Allow", "WWW-Authenticate")  # on a page too
_LOG = logging.getLogger(__name__)


class Problem(BaseModel):
    """An error: `detail` is one line that says what to do next."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str


class Busy(UserError):
    """So many queries are under way that another one would only wait."""


MEANINGS = {
    400: "The question is wrong; `detail` says what to do",
    401: "The token is missing or wrong",
    404: "There is no such thing, or it may not be shown",
    422: "A parameter has no possible value",
    429: "Too many questions at once: try again after the seconds of Retry-After",
    503: "The lake's store does not answer",
}


def describe_problems(meanings: dict[int, str]) -> dict[int | str, dict[str, Any]]:
    """Return what FastAPI is told of the errors of an address."""
    content = {MEDIA_TYPE: {"schema": Problem.model_json_schema()}}
    return {status: {"description": meaning, "content": content} for status, meaning in meanings.items()}


RESPONSES = describe_problems(MEANINGS)  # of every address


def problem(status: int, title: str, detail: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """Return an error as a response."""
    content = Problem(title=title, status=status, detail=sanitize(detail)).model_dump()
    return JSONResponse(content, status, headers, MEDIA_TYPE)


def add_handlers(app: FastAPI) -> None:
    """Let every error of an app be a problem; none shows a traceback."""
    for kind, describe in (
        (UserError, _describe_user_error),
        (RequestValidationError, _describe_invalid),
        (HTTPException, _describe_http_error),
        (Exception, _describe_defect),
    ):
        app.add_exception_handler(kind, partial(_answer, describe))


def _answer(describe: Callable[[Request, Any], JSONResponse], request: Request, error: Exception) -> Response:
    """Return the problem, as a page if a person opened the address in a browser."""
    answer = describe(request, error)
    if request.url.path.startswith("/api/") or "text/html" not in request.headers.get("accept", ""):
        return answer
    page = render_page("problem.html", "", **json.loads(answer.body))
    page.status_code = answer.status_code
    page.headers.update({name: answer.headers[name] for name in _KEPT_HEADERS if name in answer.headers})
    return page


def _describe_user_error(request: Request, error: UserError) -> JSONResponse:
    message = hide_paths(str(error)) if request.app.state.rules.is_remote else str(error)
    if isinstance(error, NotFound):
        return problem(404, "Not Found", message)
    if isinstance(error, Busy):
        return problem(429, "Too Many Requests", message, {"Retry-After": "1"})
    return problem(400, "Bad Request", message)


def _describe_invalid(_: Request, error: RequestValidationError) -> JSONResponse:
    """Name the first wrong parameter, without its value, which may be long or secret."""
    first = error.errors()[0]
    name = ".".join(str(part) for part in first["loc"][1:]) or str(first["loc"][0])
    return problem(422, "Unprocessable Content", f"{name}: {first['msg']}; /openapi.json lists the parameters")


def _describe_http_error(_: Request, error: HTTPException) -> JSONResponse:
    headers = dict(error.headers) if error.headers else None
    return problem(error.status_code, HTTPStatus(error.status_code).phrase, str(error.detail), headers)


def _describe_defect(request: Request, error: Exception) -> JSONResponse:
    """Say that a store does not answer. The log describes a defect, the answer does not."""
    if message := error_message(error, request.app.state.settings.s3.endpoint_url):
        if request.app.state.rules.is_remote:  # the message names the store and its objects
            message = "the lake cannot be read now: try again, or look at the service's log"
        return problem(503, "Service Unavailable", message, {"Retry-After": "10"})
    _LOG.error("%s of %s", type(error).__name__, request.url.path, exc_info=error)
    return problem(500, "Internal Server Error", "this is a defect of tonelake: the service's log says more")
