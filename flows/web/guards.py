"""Who may ask, how large a request may be, and the headers of every answer.

Any website can send requests to a service on this machine, so the checks but the token's hold on localhost too.
"""

import hashlib
import hmac
import threading
import time
from collections import OrderedDict
from urllib.parse import urlsplit

import anyio
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import cookie_parser
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from flows.web.problems import problem
from flows.web.rules import ServeRules

COOKIE = "tonelake"
LOGIN = "/login"
OPEN_PATHS = frozenset({"/healthz", "/readyz", LOGIN})  # and what the login page is made of, below /static/
UPLOADS = "/api/v1/uploads"
BODY_SECONDS = 30.0  # for each part of a body to come
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # with "no-referrer" the login form would have the origin "null"
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
    "object-src 'none'",
}
_NO_PAGES = ("/api/", "/audio/", "/peaks/", "/mcp", "/metrics", "/openapi.json")
_TRIES, _TRIES_SECONDS, _MAX_CLIENTS = 10, 60.0, 1000


class SecurityHeaders:
    """Adds HEADERS to every answer, where it has none of its own."""

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
    """Refuses requests of other websites, without the token, and with too large bodies."""

    def __init__(self, app: ASGIApp, rules: ServeRules, token: "Token | None") -> None:
        self.app, self.rules, self.token = app, rules, token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return  # a websocket: the service has none
        headers = Headers(scope=scope)
        refusal = self._refuse(scope, headers)
        if refusal is None:
            limit = self.rules.upload_bytes if scope["path"] == UPLOADS else self.rules.body_bytes
            await self.app(scope, _limit_body(receive, headers, limit), send)
        else:
            await refusal(scope, receive, send)

    def _refuse(self, scope: Scope, headers: Headers) -> Response | None:
        """Return the refusal of a request; None if it may pass."""
        if not is_own_origin(headers, scope["method"], scope["path"]):
            return problem(403, "Forbidden", "this request comes from another website")
        path = scope["path"]
        if self.token is None or path in OPEN_PATHS or path.startswith("/static/"):
            return None
        if self.token.is_logged_in(headers):  # also behind an address from which somebody else guesses
            return None
        client = scope["client"][0] if scope.get("client") else ""
        if self.token.is_blocked(client):
            return too_many_tries()
        scheme, _, bearer = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and self.token.is_right(bearer.strip(), client):
            return None
        if scope["method"] == "GET" and "text/html" in headers.get("accept", ""):
            return RedirectResponse(LOGIN, 303)
        how = "give the token: Authorization: Bearer TONELAKE_TOKEN, or log in at /login"
        return problem(401, "Unauthorized", how, {"WWW-Authenticate": "Bearer"})


class Token:
    """The token of a service, and the clients that gave wrong ones lately. Threads may share it."""

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()
        # Not the token itself: a cookie that leaks does not open the service by the other way.
        self.cookie = hmac.new(self._secret, b"tonelake cookie", hashlib.sha256).hexdigest()
        self._wrong: OrderedDict[str, list[float]] = OrderedDict()
        self._lock = threading.Lock()

    def is_logged_in(self, headers: Headers) -> bool:
        """Tell whether a request carries the cookie.

        It is too long to be guessed, so a wrong one is not counted.
        """
        cookie = cookie_parser(headers.get("cookie", "")).get(COOKIE, "")
        return hmac.compare_digest(cookie.encode(), self.cookie.encode())

    def is_right(self, given: str, client: str) -> bool:
        """Tell whether a token is the right one, in the same time for any.

        A wrong one is counted.
        """
        if hmac.compare_digest(given.encode("utf-8", "surrogatepass"), self._secret):
            return True
        with self._lock:
            self._wrong.setdefault(client, []).append(time.monotonic())
            self._wrong.move_to_end(client)
            while len(self._wrong) > _MAX_CLIENTS:
                self._wrong.popitem(last=False)
        return False

    def is_blocked(self, client: str) -> bool:
        """Tell whether a client gave too many wrong tokens within a minute."""
        with self._lock:
            since = time.monotonic() - _TRIES_SECONDS
            recent = [moment for moment in self._wrong.get(client, ()) if moment > since][-_TRIES:]
            if recent:
                self._wrong[client] = recent
            else:
                self._wrong.pop(client, None)
            return len(recent) >= _TRIES


def too_many_tries() -> Response:
    """Return the refusal of a client that gave too many wrong tokens."""
    message = f"{_TRIES} wrong tokens within a minute: wait a minute"
    return problem(429, "Too Many Requests", message, {"Retry-After": f"{_TRIES_SECONDS:.0f}"})


def is_own_origin(headers: Headers, method: str, path: str) -> bool:
    """Tell whether a request comes from a page of this service, or from no page.

    A link to a page may come from anywhere. It opens the page in a window, not in a frame.
    """
    origin, site = headers.get("origin"), headers.get("sec-fetch-site", "none")
    try:
        if origin is not None and urlsplit(origin).netloc.lower() != headers.get("host", "").lower():
            return False
    except ValueError:  # of an origin that is no address
        return False
    is_opened = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest", "document") == "document"
    is_link = method == "GET" and is_opened and not path.startswith(_NO_PAGES)
    return site in ("same-origin", "none") or is_link


def _limit_body(receive: Receive, headers: Headers, limit: int) -> Receive:
    """Return a `receive` that ends a body that is too large or too slow."""
    length = headers.get("content-length", "")
    too_large = HTTPException(413, f"the body has more than {limit:,} bytes")
    received = 0

    async def receive_limited() -> Message:
        nonlocal received
        if length.isdecimal() and int(length) > limit:
            raise too_large
        if received < 0:
            return await receive()
        with anyio.move_on_after(BODY_SECONDS) as scope:
            message = await receive()
        if scope.cancelled_caught:
            raise HTTPException(408, f"the body did not come within {BODY_SECONDS:.0f} s")
        if message["type"] == "http.request":
            received += len(message.get("body", b""))
            if received > limit:
                raise too_large
            if not message.get("more_body"):
                received = -1  # what follows is the end of the connection, which may take long
        return message

    return receive_limited
