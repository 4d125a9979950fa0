"""The service over a lake: pages, an API, audio. It has no logic of its own, and never writes into the lake."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path

from fastapi import FastAPI
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import PlainTextResponse
from starlette.staticfiles import StaticFiles

from flows.web import audio, lake_pages, map_api, pages, peaks, track_page, uploads
from flows.web.api import operations, search, tracks
from flows.web.guards import Guard, SecurityHeaders
from flows.web.problems import add_handlers
from flows.web.readers import Readers
from flows.web.rules import ServeRules
from schemas.settings import Settings

API = "/api/v1"
STATIC = Path(__file__).parent / "static"


def create_app(settings: Settings, rules: ServeRules) -> FastAPI:
    """Return the service. `app.state` holds `settings`, `rules` and `readers`.

    Raises UserError if there is no lake.
    """
    app = FastAPI(title="tonelake", version=version("tonelake"), lifespan=_keep_readers, docs_url=None, redoc_url=None)
    app.state.settings, app.state.rules = settings, rules
    app.state.uploads = uploads.Uploads(settings, rules.embeddings_at_once)
    app.state.readers = Readers(settings, app.state.uploads.vectors)
    app.state.audio, app.state.peaks = audio.Audio(settings), peaks.PeaksCache()
    add_handlers(app)
    for module in (search, tracks, operations, uploads, map_api):
        app.include_router(module.router, prefix=API)
    for module in (audio, peaks, pages, lake_pages, track_page):
        app.include_router(module.router)
    app.add_api_route("/healthz", _healthz, include_in_schema=False)
    if STATIC.is_dir():
        app.mount("/static", StaticFiles(directory=STATIC), name="static")
    app.add_middleware(Guard, rules=rules)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(rules.host_names), www_redirect=False)
    app.add_middleware(SecurityHeaders)
    return app


@asynccontextmanager
async def _keep_readers(app: FastAPI) -> AsyncIterator[None]:
    app.state.readers.start()
    yield
    app.state.readers.stop()
    app.state.uploads.workers.stop()


def _healthz() -> PlainTextResponse:
    return PlainTextResponse("ok")
