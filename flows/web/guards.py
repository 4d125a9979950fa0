"""Who may ask: Host names, origins, the token; and the headers of every answer.

Any website can send requests to a service on this machine, so these checks hold on localhost too.
"""

import hmac
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from flows.web.problems import problem
from flows.web.rules import ServeRules

COOKIE = "tonelake_token"
OPEN_PATHS = frozenset({"/healthz", "/readyz", "/login"})  # and what the login page is made of, below /static/
_CHANGING = frozenset({"POST", "PUT", "PATCH", "DELETE"})
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
    "object-src 'none'",
}


class SecurityHeaders:
    """Adds the headers of HEADERS to every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self.app(scope, receive, send_with_headers if scope["type"] == "http" else send)


class Guard:
    """Refuses requests of strange origins and without the token."""

    def __init__(self, app: ASGIApp, rules: ServeRules) -> None:
        self.app, self.rules = app, rules

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            if scope["method"] in _CHANGING and not is_own_origin(headers):
                refusal = problem(403, "Forbidden", "this request comes from another website")
                await refusal(scope, receive, send)
                return
            if self.rules.token is not None and not (is_open(scope["path"]) or has_token(headers, self.rules)):
                refusal = problem(401, "Unauthorized", "give the token", {"WWW-Authenticate": "Bearer"})
                await refusal(scope, receive, send)
                return
        await self.app(scope, receive, send)


def is_open(path: str) -> bool:
    """Tell whether a path is answered without the token."""
    return path in OPEN_PATHS or path.startswith("/static/")


def is_own_origin(headers: Headers) -> bool:
    """Tell whether a request comes from a page of this service, or from no page."""
    if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return False
    origin = headers.get("origin")
    return origin is None or (urlsplit(origin).netloc == headers.get("host") and origin != "null")


def has_token(headers: Headers, rules: ServeRules) -> bool:
    """Tell whether a request carries the token, as a bearer or in the cookie."""
    assert rules.token is not None
    scheme, _, bearer = headers.get("authorization", "").partition(" ")
    given = bearer.strip() if scheme.lower() == "bearer" else cookie_parser(headers.get("cookie", "")).get(COOKIE, "")
    return hmac.compare_digest(given.encode(), rules.token.get_secret_value().encode())
