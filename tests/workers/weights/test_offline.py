"""Without a network a fetch fails at once, with one sentence; no library retries or prints."""

import contextlib
import socket
import threading
import time
import urllib.request

import pytest
from huggingface_hub import close_session

from schemas.errors import UserError
from workers.text.minilm_weights import MINILM
from workers.weights.cache import weights_folder
from workers.weights.sources import CONNECT_SECONDS, HubSource, UrlSource


def forget_proxies():
    """Make the hub's client and urllib read the proxies again: each does so only once."""
    close_session()
    urllib.request.install_opener(None)


SOURCES = [
    MINILM,
    HubSource("thing", "tonelake/thing", "0" * 40, ("config.json", "model.bin")),
    UrlSource("thing", "https://example.org/thing.bin"),
]


@pytest.fixture
def set_proxy(monkeypatch):
    """A function that sends all requests to a proxy."""

    def set_variables(address):
        for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
            monkeypatch.delenv(name.upper(), raising=False)
        monkeypatch.setenv("http_proxy", address)
        monkeypatch.setenv("https_proxy", address)
        forget_proxies()

    yield set_variables
    forget_proxies()


@pytest.fixture
def closing_proxy():
    """A proxy that closes every connection; the address, and the list of connections."""
    connections = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            with contextlib.suppress(OSError):  # the server is closed
                while True:
                    connection, address = server.accept()
                    connection.close()
                    connections.append(address)

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}", connections


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: type(source).__name__)
@pytest.mark.parametrize("proxy", ["http://127.0.0.1:9", "http://no-such-host.invalid:3128"])
def test_no_connection_is_one_sentence(source, proxy, set_proxy, tmp_path, capfd, caplog):
    set_proxy(proxy)
    with pytest.raises(UserError, match=r"cannot fetch .*be online once, or copy the folder") as caught:
        weights_folder(source, tmp_path)
    assert "\n" not in str(caught.value)
    assert "No matching distribution" not in str(caught.value)
    assert capfd.readouterr() == ("", "")
    assert not caplog.records


@pytest.fixture
def silent_proxy():
    """The address of a proxy that drops every packet, as some firewalls do: its queue of connections is full."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server, contextlib.ExitStack() as stack:
        for _ in range(2):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(server.getsockname())
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def test_a_network_that_answers_nothing_is_given_up(silent_proxy, set_proxy, tmp_path):
    set_proxy(silent_proxy)
    started = time.monotonic()
    with pytest.raises(UserError, match="be online once"):
        weights_folder(SOURCES[1], tmp_path)
    assert CONNECT_SECONDS <= time.monotonic() - started < CONNECT_SECONDS + 3


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: type(source).__name__)
def test_a_library_asks_at_most_twice(source, closing_proxy, set_proxy, tmp_path):
    address, connections = closing_proxy
    set_proxy(address)
    with pytest.raises(UserError, match="be online once"):
        weights_folder(source, tmp_path)
    assert 1 <= len(connections) <= 2
