"""/healthz, /readyz and /metrics: for what watches the service."""

import time

from fastapi import APIRouter, Request
from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, generate_latest
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from flows.web.dependencies import ReadersOf, ReportsOf

router = APIRouter(include_in_schema=False)
_METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_BUCKETS = (0.01, 0.03, 0.08, 0.15, 0.3, 0.6, 1, 3, 10)


class Meter:
    """Counts requests and their seconds by route and status.

    Addresses are not counted: they contain the query.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(namespace="tonelake_serve", registry=self.registry)
        names, labels = ("tonelake_serve_requests", "tonelake_serve_seconds"), ["route"]
        self.requests = Counter(names[0], "Requests", [*labels, "status"], registry=self.registry)
        self.seconds = Histogram(names[1], "Seconds to answer", labels, buckets=_BUCKETS, registry=self.registry)

    def text(self) -> str:
        """Return the counts in Prometheus's text format."""
        return generate_latest(self.registry).decode()


class CountRequests:
    """Counts each request of an app in its meter."""

    def __init__(self, app: ASGIApp, meter: Meter) -> None:
        self.app, self.meter = app, meter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()

        async def send_counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                route = getattr(scope.get("route"), "path", "other")
                self.meter.requests.labels(route, message["status"]).inc()
                self.meter.seconds.labels(route).observe(time.perf_counter() - started)
            await send(message)

        await self.app(scope, receive, send_counted)


@router.get("/healthz")
async def healthz() -> PlainTextResponse:
    """Say that the process answers."""
    return PlainTextResponse("ok\n")


@router.get("/readyz")
def readyz(readers: ReadersOf) -> PlainTextResponse:
    """Say that the lake can be read. Raises UserError, which is no 200, if it cannot."""
    readers.current()
    return PlainTextResponse("ready\n")


@router.get("/metrics")
def metrics(reports: ReportsOf, request: Request) -> Response:
    """Return the state of the lake and of the service in Prometheus's text format."""
    return Response(reports.metrics.get() + request.app.state.meter.text(), media_type=_METRICS_TYPE)
