"""A proxy before an S3 store that does to requests what networks and stores do, and counts what it did."""

import http.client
import random
import re
import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

REFUSED = b"<?xml version='1.0'?><Error><Code>InternalError</Code><Message>a fault of the proxy</Message></Error>"
_NOT_SIGNED = {"expect", "connection"}  # between the proxy and each of its ends: not handed on


@dataclass
class FaultProxy:
    """Shares of requests that are refused, cut in the middle of their body, or answered slowly; one fault a request.

    The n-th request of the same seed meets the same fate. `once` names the fate of the first request of each
    "METHOD /path" that matches: "lost" is one that reaches the store, which does what is asked, but answers with 500.
    """

    store: str
    seed: int = 0
    refused: float = 0.0
    cut: float = 0.0
    slow: float = 0.0
    pause: float = 0.3  # seconds, in the middle of a slow body
    once: Mapping[str, str] = field(default_factory=dict)
    did: Counter[str] = field(default_factory=Counter)

    def __enter__(self) -> "FaultProxy":
        self._lock, self._requests, self._met = threading.Lock(), 0, set()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"proxy": self}))
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def fate(self, request: str) -> str:
        """What becomes of the next request; "" for what a store does on a good day."""
        with self._lock:
            self._requests += 1
            fate = next((fate for pattern, fate in self.once.items() if re.search(pattern, request)), "")
            if not fate or request in self._met:
                fate = self._rolled(random.Random(f"{self.seed} {self._requests}").random())
            self._met.add(request)
            self.did[fate or "passed"] += 1
            return fate

    def _rolled(self, roll: float) -> str:
        reached = 0.0
        for name in ("refused", "cut", "slow"):
            reached += getattr(self, name)
            if roll < reached:
                return name
        return ""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    proxy: FaultProxy

    def handle_any(self) -> None:
        fate = self.proxy.fate(f"{self.command} {self.path}")
        body = self._body(cut=fate == "cut")
        if body is None:
            return None
        if fate == "refused":
            return self._answer(random.Random(len(self.path)).choice([500, 503]), {}, REFUSED)
        status, headers, answer = self._asked(body)
        if fate == "lost":
            return self._answer(500, {}, REFUSED)
        return self._answer(status, headers, answer, fate)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = handle_any

    def _body(self, *, cut: bool) -> bytes | None:
        """What the client sends; None where the line is cut in its midst, before the store has heard of it."""
        length = int(self.headers.get("Content-Length") or 0)
        if cut and length:
            self.rfile.read(length // 2)
            self.close_connection = True
            return None
        return self.rfile.read(length)

    def _asked(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        """The store's answer. Host and headers reach it as they came: the client has signed them."""
        store = http.client.HTTPConnection(urlsplit(self.proxy.store).netloc, timeout=60)
        store.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            if name.lower() not in _NOT_SIGNED:
                store.putheader(name, value)
        store.endheaders(body or None)
        answer = store.getresponse()
        found = answer.status, dict(answer.getheaders()), answer.read()
        store.close()
        return found

    def _answer(self, status: int, headers: dict[str, str], body: bytes, fate: str = "") -> None:
        self.send_response_only(status)
        told = {name.lower(): value for name, value in headers.items()}
        told.pop("transfer-encoding", None)
        if self.command != "HEAD" and status != 204:
            told["content-length"] = str(len(body))
        for name, value in told.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        half = len(body) // 2
        self.wfile.write(body[:half])
        if fate == "cut":
            self.close_connection = True
            return
        if fate == "slow":
            self.wfile.flush()
            time.sleep(self.proxy.pause)
        self.wfile.write(body[half:])

    def log_message(self, *_: object) -> None:
        """Nothing: the counts tell."""
