"""A small lake of real sounds in many formats, and the service over it: as an app, and listening on a port."""

import contextlib
import os
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import uvicorn
from starlette.testclient import TestClient

from flows.web.app import create_app
from flows.web.rules import ServeRules
from lake.storage.lake import Lake
from schemas.settings import S3Settings, Settings
from tests.audio_files import SECONDS, SOUND, ffmpeg, sndfile, tone
from tests.cli import run_here
from tests.flows.catalogue import run_in_process

ADDRESS = "http://127.0.0.1:8765"
FILES: dict[str, Callable[[], bytes]] = {
    "song.ogg": lambda: sndfile(SECONDS, "OGG"),
    "song.mp3": lambda: ffmpeg(SECONDS, "mp3"),
    "song.flac": lambda: sndfile(SECONDS, "FLAC"),
    "song.wav": lambda: sndfile(SECONDS),
    "song.m4a": lambda: ffmpeg(SECONDS, "m4a", movflags="faststart"),
    "song.aiff": lambda: sndfile(tone(12), "AIFF"),
    "song.wma": SOUND["good.wma"],
    "song.alac": SOUND["good.alac"],
    "film.mkv": SOUND["film.mkv"],
    "long.aiff": lambda: sndfile(long_noise(), "AIFF", rate=16_000),
}
LONG_SECONDS = 400
PLAIN = ("song.ogg", "song.mp3", "song.flac", "song.wav", "song.m4a")
TRANSCODED = ("song.aiff", "song.wma", "song.alac", "film.mkv")


def long_noise() -> np.ndarray:
    """Return LONG_SECONDS of noise that grows louder, float32 [1, n] at 16 kHz."""
    noise = np.random.default_rng(7).standard_normal(16_000 * LONG_SECONDS).astype(np.float32)
    return (0.1 * noise * np.linspace(0.1, 1, len(noise), dtype=np.float32))[None]


@dataclass(frozen=True)
class Music:
    """The lake at `uri`, made from the files in `folder`."""

    folder: Path
    uri: Path

    @property
    def lake(self) -> Lake:
        return Lake.at(str(self.uri), S3Settings())

    def track(self, name: str) -> str:
        """Return the id of a file's track."""
        rows = self.lake.table("tracks").to_table(columns=["track_id", "uri"]).to_pylist()
        return next(row["track_id"] for row in rows if os.path.basename(row["uri"]) == name)

    def copy(self, home: Path) -> "Music":
        """Return another lake of the same files: one to be changed."""
        shutil.copytree(self.uri, home / "lake")
        return Music(self.folder, home / "lake")

    def app(self, **settings: object) -> TestClient:
        """Return a client of the service, without a port."""
        return TestClient(create_app(Settings(lake=str(self.uri), **settings), ServeRules()), base_url=ADDRESS)


def make_music(home: Path, names: tuple[str, ...] = tuple(FILES), folder: str = "music") -> Music:
    """Write sounds below `home` and index them."""
    music = Music(home / folder, home / "lake")
    music.folder.mkdir(parents=True)
    for name in names:
        (music.folder / name).write_bytes(FILES[name]())
    index(music)
    return music


def index(music: Music, *sources: object) -> None:
    """Index the folder, or other sources, in this process."""
    with pytest.MonkeyPatch.context() as patch:
        run_in_process([], patch)
        typed = ("--lake", music.uri, "--encoder", "fake", "index", *(sources or (music.folder,)))
        run_here(*typed, TONELAKE_DESCRIBE="false")


@contextlib.contextmanager
def listening(app: object) -> Iterator[str]:
    """Run a service on a free port in a thread of this process; give its address.

    Little fits into its sockets, so that a client that does not read stops its stream soon.
    """
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 15)
    bound.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, args=([bound],))
    thread.start()
    try:
        wait_until(lambda: server.started)
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        bound.close()


def wait_until(holds: Callable[[], object], seconds: float = 60.0) -> None:
    """Wait until something holds. Fails if it does not within the seconds."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def open_files(folder: Path) -> list[str]:
    """Return the files below a folder that this process has open."""
    opened = []
    for link in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            opened.append(os.readlink(link))
    return [path for path in opened if path.startswith(f"{folder}/")]
