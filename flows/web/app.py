"""The service over a lake: pages, an API, audio. It has no logic of its own, and never writes into the lake."""

import logging
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from importlib.metadata import version

import anyio.to_thread
from fastapi import FastAPI
from starlette.middleware.trustedhost import TrustedHostMiddleware

from flows.search.reader import Reader
from flows.web import audio, health, login, map_api, pages, peaks, uploads
from flows.web.api import operations, playlists, search, tracks
from flows.web.guards import Guard, SecurityHeaders, Token
from flows.web.limits import Slots, TimedWork
from flows.web.maps import Maps
from flows.web.problems import add_handlers
from flows.web.readers import Readers
from flows.web.reports import Reports
from flows.web.rules import ServeRules
from flows.web.selections import Selections
from flows.web.static_files import FOLDER, RevalidatedFiles
from schemas.settings import Settings

API = "/api/v1"
THREADS = 12  # that answer; more would take turns on few cores, and each keeps memory
_LOG = logging.getLogger(__name__)


def create_app(settings: Settings, rules: ServeRules) -> FastAPI:
    """Return the service. `app.state` holds what the routers share; nothing is opened yet."""
    app = FastAPI(title="tonelake", version=version("tonelake"), lifespan=_keep_readers, docs_url=None, redoc_url=None)
    _set_state(app, settings, rules)
    add_handlers(app)
    for module in (search, tracks, playlists, operations, uploads, map_api):
        app.include_router(module.router, prefix=API)
    for module in (audio, peaks, pages, login, health):
        app.include_router(module.router)
    app.state.run_tools = _add_tools(app)
    app.mount("/static", RevalidatedFiles(directory=FOLDER), name="static")
    # The last one is the first that sees a request.
    app.add_middleware(Guard, rules=rules, token=app.state.token)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(rules.host_names), www_redirect=False)
    app.add_middleware(SecurityHeaders)
    app.add_middleware(health.CountRequests, meter=app.state.meter)
    return app


def _set_state(app: FastAPI, settings: Settings, rules: ServeRules) -> None:
    """Put what the routers share into `app.state`; dependencies.py hands it on."""
    state = app.state
    state.settings, state.rules = settings, rules
    state.token = Token(rules.token.get_secret_value()) if rules.token else None
    state.uploads = uploads.Uploads(settings, rules.embeddings_at_once)
    state.readers = Readers(settings, state.uploads.vectors)
    state.audio, state.peaks = audio.Audio(settings), peaks.PeaksCache()
    state.selections, state.reports, state.meter = Selections(), Reports(settings), health.Meter()
    state.queries = Slots(rules.queries_at_once, "so many questions are being answered")
    state.timed, state.maps = TimedWork(), Maps(state.readers)
    state.lassos = Slots(2, "other lassos are being looked up")


@asynccontextmanager
async def _keep_readers(app: FastAPI) -> AsyncIterator[None]:
    anyio.to_thread.current_default_thread_limiter().total_tokens = THREADS
    readers: Readers = app.state.readers
    readers.start()
    threading.Thread(target=_warm_up, args=(readers,), name="warm-up", daemon=True).start()
    async with app.state.run_tools():
        yield
    readers.stop()
    app.state.uploads.workers.stop()


def _warm_up(readers: Readers) -> None:
    """Load what the first question needs before it comes."""
    try:
        readers.current().warm_up()
        readers.current().text.embed("music")
    except Exception as error:  # such as an encoder without words: the question will say so
        _LOG.info("not warmed up: %s", error)


def _add_tools(app: FastAPI) -> Callable[[], AbstractAsyncContextManager[None]]:
    """Answer agents at /mcp, if the extra `mcp` is there.

    Returns what has to run beside the service.
    """
    try:
        from flows.web import mcp
    except ModuleNotFoundError:
        return nullcontext
    state = app.state

    def ask(question: Callable[[Reader], str]) -> str:
        with state.queries:
            answer: str = state.readers.ask(None, question)
            return answer

    return mcp.add_to(app, mcp.make_server(state.settings, ask, shows_paths=not state.rules.is_remote))
