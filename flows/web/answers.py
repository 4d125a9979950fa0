"""How the API answers: JSON, ETags, and pages of long lists."""

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Request
from starlette.responses import Response

from flows.search.reader import Reader
from flows.web.dependencies import ReadersOf, RulesOf
from flows.web.limits import run_timed
from flows.web.readers import Readers
from flows.web.rules import ServeRules
from schemas.errors import UserError

JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Page:
    """Where a page of a list begins, and the state of the lake then."""

    start: int = 0
    etag: str | None = None

    @classmethod
    def from_cursor(cls, cursor: str | None) -> "Page":
        """Return the page that a cursor names; without one the first. Raises UserError if it is no cursor."""
        if cursor is None:
            return cls()
        try:
            start, etag = json.loads(base64.urlsafe_b64decode(cursor.encode("ascii")))
            if isinstance(start, int) and 0 <= start < 1 << 40 and isinstance(etag, str | None):
                return cls(start, etag)
        except (ValueError, TypeError, binascii.Error, RecursionError):
            pass
        raise UserError("this cursor is none: take it from `next` of the page before")

    def cursor(self) -> str:
        """Return the cursor of this page."""
        return base64.urlsafe_b64encode(json.dumps([self.start, self.etag]).encode()).decode()


@dataclass(frozen=True, slots=True)
class Responder:
    """Answers one request from a reader. An answer that the caller has already is a 304."""

    request: Request
    readers: Readers
    rules: ServeRules

    def respond(
        self, encoder: str | None, question: Callable[[Reader], Any], seconds: float | None = None
    ) -> Response:
        """Return the answer to a question; one with `seconds` is refused if it takes longer."""
        etag = self.readers.etag(encoder)
        headers = {"ETag": etag, "Cache-Control": "private, no-cache", "Vary": "Authorization, Cookie"}
        if self.request.method == "GET" and is_known(self.request, etag):
            return Response(status_code=304, headers=headers)

        def work() -> Any:
            return self.readers.ask(encoder, question)

        return json_response(run_timed(self.request, work, seconds), headers)

    def require_same(self, page: Page, encoder: str | None) -> None:
        """Raise UserError if the lake has changed since the page before."""
        if page.etag is not None and page.etag != self.readers.etag(encoder):
            raise UserError("the lake has changed since the page before: ask again without the cursor")

    def next_page(self, start: int, encoder: str | None) -> str:
        """Return the cursor of the page that begins at `start`."""
        return Page(start, self.readers.etag(encoder)).cursor()


def is_known(request: Request, etag: str) -> bool:
    """Tell whether the caller has the answer of this ETag already."""
    return etag in request.headers.get("if-none-match", "")


def _responder(request: Request, readers: ReadersOf, rules: RulesOf) -> Responder:
    return Responder(request, readers, rules)


ResponderOf = Annotated[Responder, Depends(_responder)]


def json_response(document: Any, headers: dict[str, str] | None = None) -> Response:
    """Return a JSON document. Times are as ISO 8601 has them; what UTF-8 lacks is escaped."""
    text = json.dumps(document, allow_nan=False, separators=(",", ":"), default=_default)
    return Response(text.encode(), headers=headers, media_type=JSON)


def _default(value: Any) -> Any:
    if hasattr(value, "isoformat"):
        return value.isoformat()
    return list(value) if isinstance(value, set | frozenset | tuple) else str(value)


def list_page(items: Sequence[Any], page: Page, limit: int) -> dict[str, Any]:
    """Return a page of a list as JSON.

    It has `items`, their `total` number, and the cursor of the `next` page.
    """
    end = page.start + limit
    following = Page(end).cursor() if end < len(items) else None
    return {"items": list(items[page.start : end]), "total": len(items), "next": following}
