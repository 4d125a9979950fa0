"""Run the service: bind, say when it is ready, end with the process."""

import socket
import threading
from collections.abc import Callable
from contextlib import suppress

import uvicorn

from flows.web.app import create_app
from flows.web.rules import ServeRules
from schemas.errors import UserError
from schemas.settings import Settings

_WARM_UP_SECONDS = 5.0  # after the start, when the first questions are answered: then uploads get their process


def serve(settings: Settings, rules: ServeRules, say_ready: Callable[[str], None]) -> None:
    """Serve a lake until the process is interrupted. `say_ready` gets the address when the service answers.

    Raises UserError if there is no lake, or if the port is taken.
    """
    app = create_app(settings, rules)
    app.state.readers.current()
    with bind(rules) as bound:
        server = Server(config_of(app), lambda: say_ready(address_of(bound)), app.state.audio.stop)
        warm_up = threading.Timer(_WARM_UP_SECONDS, app.state.uploads.warm, [app.state.readers.current().spec])
        warm_up.daemon = True
        warm_up.start()
        with suppress(KeyboardInterrupt):  # uvicorn ends the answers under way, then sends the signal again
            server.run(sockets=[bound])
        warm_up.cancel()


class Server(uvicorn.Server):
    """A uvicorn server that says when it is ready, and when it stops."""

    def __init__(
        self, config: uvicorn.Config, on_ready: Callable[[], None], on_stop: Callable[[], None] = lambda: None
    ) -> None:
        super().__init__(config)
        self._on_ready, self._on_stop = on_ready, on_stop

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._on_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._on_stop()
        await super().shutdown(sockets)


def config_of(app: object) -> uvicorn.Config:
    """Return uvicorn's settings. Requests are not logged: queries are their callers' own."""
    return uvicorn.Config(
        app,  # type: ignore[arg-type]
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=True,  # of a proxy on this machine, or those of FORWARDED_ALLOW_IPS: who asks, and https
        limit_concurrency=500,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=3,
        h11_max_incomplete_event_size=64 << 10,
    )


def bind(rules: ServeRules) -> socket.socket:
    """Return a socket that listens where the rules say. Raises UserError if it cannot."""
    family = socket.AF_INET6 if ":" in rules.host else socket.AF_INET
    # asyncio sends without delay only where the protocol is named. Else an answer in two parts waits 40 ms.
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((rules.host, rules.port))
    except OSError as error:
        bound.close()
        name = f"{rules.host}:{rules.port}"
        raise UserError(f"cannot listen on {name}: {error.strerror}; --port names another, 0 a free one") from error
    bound.listen(128)
    return bound


def address_of(bound: socket.socket) -> str:
    """Return the address at which a socket listens."""
    host, port = bound.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
