"""A service over a small lake, asked in this process."""

import threading
from contextlib import contextmanager

from starlette.testclient import TestClient

from flows.web.app import create_app
from flows.web.rules import ServeRules
from flows.web.serve import Server, address_of, bind, config_of
from schemas.settings import Settings
from tests.flows.released import publish_release
from tests.lake.rows import make_small_lake

ADDRESS = "http://127.0.0.1:8765"
IDS = [f"t{number:04d}" for number in range(12)]
API = "/api/v1"


def make_lake(folder):
    """Make a lake of twelve tracks with windows and a release; one more is quarantined, one pending."""
    lake = make_small_lake(str(folder / "lake"))
    publish_release(lake)
    return lake


@contextmanager
def serving(lake, rules=None, address=ADDRESS, **headers):
    """Start the service over a lake and yield a client."""
    app = create_app(Settings(lake=lake.uri), rules or ServeRules())
    with TestClient(app, base_url=address, headers=headers, raise_server_exceptions=False) as client:
        yield client


def problem_of(response, status):
    """Return the detail of a problem of this status."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem["status"] == status
    assert "Traceback" not in problem["detail"]
    return problem["detail"]


@contextmanager
def listening(lake, rules=None):
    """Start the service in a thread, on a port that the system gives, and yield its address."""
    rules = rules or ServeRules(port=0)
    app = create_app(Settings(lake=lake.uri), rules)
    ready = threading.Event()
    with bind(rules) as bound:
        server = Server(config_of(app), ready.set)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
        thread.start()
        assert ready.wait(60)
        try:
            yield address_of(bound)
        finally:
            server.should_exit = True
            thread.join()
