"""Streams over a real connection: slow clients, clients that go away, and a service that is killed."""

import os
import signal
import socket
import threading
import time
from contextlib import closing, nullcontext
from urllib.parse import urlsplit

import anyio
import httpx
import psutil
import pytest

from flows.web import streams
from flows.web.app import create_app
from flows.web.rules import ServeRules
from flows.web.streams import StreamedResponse, Streams
from schemas.settings import Settings
from tests.cli import start
from tests.flows.web.music import listening, open_files, wait_until


@pytest.fixture
def app(music):
    return create_app(Settings(lake=str(music.uri)), ServeRules())


@pytest.fixture
def address(app):
    with listening(app) as address:
        yield address


def begin(address, path):
    """Ask for a path and read the beginning of the answer only; return the connection and what came."""
    url = urlsplit(address)
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect((url.hostname, url.port))
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {url.netloc}\r\n\r\n".encode())
    return connection, connection.recv(4096)


@pytest.mark.parametrize("query", ["", "?mp3=1"])
def test_a_client_that_goes_away_leaves_no_file_and_no_stream(music, app, address, query):
    shared = app.state.audio
    for _ in range(3):
        connection, head = begin(address, f"/audio/{music.track('long.aiff')}{query}")
        assert head.startswith(b"HTTP/1.1 200")
        wait_until(lambda: open_files(music.folder))
        connection.close()
        wait_until(lambda: not open_files(music.folder))
    wait_until(lambda: not shared.transcoded.running)
    wait_until(lambda: shared.transcoded.limiter.borrowed_tokens == 0)
    before = threading.active_count()
    connection, _ = begin(address, f"/audio/{music.track('long.aiff')}")
    connection.close()
    wait_until(lambda: not open_files(music.folder))
    assert threading.active_count() <= before + 1  # the service keeps its threads and makes no more


def test_slow_clients_hold_no_thread(music, app, address):
    shared = app.state.audio.transcoded
    connections = [begin(address, f"/audio/{music.track('long.aiff')}")[0] for _ in range(3)]
    try:
        wait_until(lambda: shared.limiter.borrowed_tokens == 0 and len(shared.running) == 3)
        assert httpx.get(f"{address}/audio/{music.track('song.aiff')}", timeout=60).is_success
        assert httpx.get(f"{address}/healthz", timeout=60).is_success
    finally:
        for connection in connections:
            connection.close()


def test_so_many_at_once_and_no_more(music, app, address):
    app.state.audio.transcoded = Streams(1, threads=1)
    connection, _ = begin(address, f"/audio/{music.track('long.aiff')}")
    with closing(connection):
        refused = httpx.get(f"{address}/audio/{music.track('song.aiff')}", timeout=60)
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) > 0
        assert httpx.get(
            f"{address}/audio/{music.track('song.ogg')}", timeout=60
        ).is_success  # files are counted apart
        assert not [path for path in open_files(music.folder) if path.endswith("song.aiff")]
    wait_until(lambda: httpx.get(f"{address}/audio/{music.track('song.aiff')}", timeout=60).is_success)


def test_a_paused_player_makes_room(music, app, address, monkeypatch):
    monkeypatch.setattr(streams, "STALLED_SECONDS", 0.1)
    app.state.audio.transcoded = Streams(1, threads=1)
    paused, _ = begin(address, f"/audio/{music.track('long.aiff')}")
    with closing(paused):
        wait_until(lambda: httpx.get(f"{address}/audio/{music.track('song.aiff')}", timeout=60).is_success)
        wait_until(lambda: not open_files(music.folder))
        while paused.recv(1 << 16):  # it gets what was on its way, and then the end of the connection
            pass


class Player:
    """A client of a stream: what it was sent. Its stream waits for `may_go_on` to make its first piece."""

    def __init__(self, shared, may_go_on):
        self.sent, self.begun, self._may_go_on = [], threading.Event(), may_go_on
        self.stream = StreamedResponse(200, {}, self._pieces, nullcontext(), shared)

    def _pieces(self):
        self.begun.set()
        assert self._may_go_on.wait(60)
        yield b"music"

    async def play(self):
        async def send(message):
            self.sent.append(message)

        await self.stream({"type": "http", "headers": []}, anyio.sleep_forever, send)

    @property
    def status(self):
        return self.sent[0]["status"]


def test_a_stream_that_makes_its_first_piece_gives_no_place_away(monkeypatch):
    monkeypatch.setattr(streams, "STALLED_SECONDS", 0.0)
    may_go_on = threading.Event()

    async def converse():
        shared = Streams(1, threads=2)
        slow, other = Player(shared, may_go_on), Player(shared, may_go_on)
        async with anyio.create_task_group() as group:
            group.start_soon(slow.play)
            await anyio.to_thread.run_sync(slow.begun.wait, 60)
            threading.Timer(1.0, may_go_on.set).start()  # the other one would wait for ever, if it began
            await other.play()
            may_go_on.set()
        return slow.status, other.status, other.begun.is_set(), shared.running

    assert anyio.run(converse) == (200, 429, False, [])


def test_a_stream_that_is_ended_before_its_first_piece_is_refused():
    may_go_on = threading.Event()

    async def converse():
        shared = Streams(1, threads=1)
        player = Player(shared, may_go_on)
        async with anyio.create_task_group() as group:
            group.start_soon(player.play)
            await anyio.to_thread.run_sync(player.begun.wait, 60)
            shared.stop()
            may_go_on.set()
        return player.status, shared.running

    assert anyio.run(converse) == (429, [])


def test_a_file_that_changes_in_mid_stream_ends_the_stream(music, address):
    path = music.folder / "long.aiff"
    before = path.stat()
    connection, head = begin(address, f"/audio/{music.track('long.aiff')}")
    with closing(connection):
        try:
            os.utime(path)
            received = len(head) + sum(map(len, iter(lambda: _receive(connection), b"")))
        finally:
            os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert received < int(head.lower().split(b"content-length: ")[1].split(b"\r")[0])
    wait_until(lambda: not open_files(music.folder))


def test_a_service_that_is_killed_in_mid_stream(music):
    process = start("--lake", music.uri, "serve", "--port", 0)
    address = process.stdout.readline().split()[-1]
    warmed = psutil.Process(process.pid)
    httpx.post(f"{address}/api/v1/uploads", content=(music.folder / "song.ogg").read_bytes(), timeout=60)
    children = warmed.children(recursive=True)
    assert children
    connection, head = begin(address, f"/audio/{music.track('long.aiff')}")
    process.kill()
    process.wait()
    with closing(connection):
        received = len(head)
        while piece := _receive(connection):
            received += len(piece)
    assert received < 400 * 20_000
    assert not psutil.wait_procs(children, timeout=20)[1]  # the process for uploads ends with its service
    with music.app() as client:
        assert client.get("/api/v1/search", params={"text": "loud"}).json()["hits"]


def test_a_service_that_is_stopped_in_mid_stream_ends_soon(music):
    process = start("--lake", music.uri, "serve", "--port", 0)
    address = process.stdout.readline().split()[-1]
    connection, _ = begin(address, f"/audio/{music.track('long.aiff')}")
    with closing(connection):
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)
        assert time.monotonic() - began < 40
    assert "Traceback" not in process.stderr.read()


def _receive(connection):
    try:
        return connection.recv(1 << 16)
    except ConnectionError:
        return b""
