"""A proxy before an S3 store that injects the faults of networks and stores, and counts them."""

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
DENIED = b"<?xml version='1.0'?><Error><Code>AccessDenied</Code><Message>a fault of the proxy</Message></Error>"
_NOT_SIGNED = {"expect", "connection"}  # for one connection only: the proxy does not forward them


@dataclass
class FaultProxy:
    """A proxy that refuses, cuts or delays given shares of the requests; one fault a request.

    With the same seed the n-th request gets the same fault. `once` maps a pattern to the fault of the first request of
    each "METHOD /path" that it matches. The fault "lost" reaches the store, which executes the request, but is
    answered with 500. The fault "denied" is an answer that no client repeats: 403.
    """

    store: str
    seed: int = 0
    refused: float = 0.0
    cut: float = 0.0
    slow: float = 0.0
    pause: float = 0.3  # seconds, in the middle of a slow body
    once: Mapping[str, str] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)

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

    def choose_fault(self, request: str) -> str:
        """Choose the fault of the next request; "" for none."""
        with self._lock:
            self._requests += 1
            fault = next((fault for pattern, fault in self.once.items() if re.search(pattern, request)), "")
            if not fault or request in self._met:
                fault = self._pick_fault(random.Random(f"{self.seed} {self._requests}").random())
            self._met.add(request)
            self.counts[fault or "passed"] += 1
            return fault

    def _pick_fault(self, roll: float) -> str:
        reached = 0.0
        for name in ("refused", "cut", "slow"):
            reached += getattr(self, name)
            if roll < reached:
                return name
        return ""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else each answer waits 40 ms: headers and body are sent one after the other
    proxy: FaultProxy

    def handle_any(self) -> None:
        fault = self.proxy.choose_fault(f"{self.command} {self.path}")
        body = self._body(cut=fault == "cut")
        if body is None:
            return None
        if fault == "denied":
            return self._answer(403, {}, DENIED)
        if fault == "refused":
            return self._answer(random.Random(len(self.path)).choice([500, 503]), {}, REFUSED)
        status, headers, answer = self._forward(body)
        if fault == "lost":
            return self._answer(500, {}, REFUSED)
        return self._answer(status, headers, answer, fault)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = handle_any

    def _body(self, *, cut: bool) -> bytes | None:
        """Read the client's body; None if the connection is cut halfway, before the store gets anything."""
        length = int(self.headers.get("Content-Length") or 0)
        if cut and length:
            self.rfile.read(length // 2)
            self.close_connection = True
            return None
        return self.rfile.read(length)

    def _forward(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        """Return the store's answer. Host and headers are forwarded unchanged: the client has signed them."""
        store = http.client.HTTPConnection(urlsplit(self.proxy.store).netloc, timeout=60)
        store.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            if name.lower() not in _NOT_SIGNED:
                store.putheader(name, value)
        store.endheaders(body or None)
        answer = store.getresponse()
        result = answer.status, dict(answer.getheaders()), answer.read()
        store.close()
        return result

    def _answer(self, status: int, headers: dict[str, str], body: bytes, fault: str = "") -> None:
        self.send_response_only(status)
        headers = {name.lower(): value for name, value in headers.items()}
        headers.pop("transfer-encoding", None)
        if self.command != "HEAD" and status != 204:
            headers["content-length"] = str(len(body))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        half = len(body) // 2
        self.wfile.write(body[:half])
        if fault == "cut":
            self.close_connection = True
            return
        if fault == "slow":
            self.wfile.flush()
            time.sleep(self.proxy.pause)
        self.wfile.write(body[half:])

    def log_message(self, *_: object) -> None:
        """Log nothing: `counts` has it all."""
