"""Uploads: searched with and forgotten; whatever they are, the service goes on."""

import io
import os
import signal
import socket
import threading
import time

import av
import numpy as np
import psutil
import pytest

from flows.web import uploads
from flows.web.app import create_app
from flows.web.embedding_workers import EmbeddingWorker
from flows.web.rules import ServeRules
from schemas.errors import UserError
from schemas.settings import Settings
from tests.audio_files import BROKEN, SECONDS, cut_short, encode_frames, endless_wav, ffmpeg, sndfile, tone
from tests.flows.web.music import listening, wait_until
from workers.encoders.fake import SPEC

ADDRESS = "/api/v1/uploads"


@pytest.fixture(scope="module")
def client(music):
    with music.app() as client:
        yield client


@pytest.fixture(scope="module")
def worker():
    worker = EmbeddingWorker(Settings(), seconds=60)
    yield worker
    worker.stop()


def recording(container_format: str, codec: str, **options: str) -> bytes:
    """Return what a browser's microphone gives: a stream, written to a pipe, whose header states no length."""

    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

    file = Pipe()
    samples = tone(4, 48_000)
    with av.open(file, "w", format=container_format, options=options) as container:
        track = container.add_stream(codec, rate=48_000, layout="stereo")
        for frame in encode_frames(samples, 48_000, track):
            container.mux(track.encode(frame))
        container.mux(track.encode(None))
    return file.getvalue()


RECORDINGS = {
    "Chrome": lambda: recording("webm", "libopus", live="1"),
    "Firefox": lambda: recording("ogg", "libopus"),
    "Safari": lambda: recording("mp4", "aac", movflags="empty_moov+default_base_moof", frag_duration="1000000"),
    "a cut one": lambda: cut_short(recording("ogg", "libopus"), 0.8),
}


@pytest.mark.parametrize("name", ["song.ogg", "song.mp3", "song.wma"])
def test_an_upload_finds_its_own_track(music, client, name):
    data = (music.folder / name).read_bytes()
    answer = client.post(ADDRESS, content=data, headers={"Content-Type": "audio/ogg"})
    assert answer.status_code == 200
    upload = answer.json()
    assert upload["seconds"] == pytest.approx(10, abs=0.1)
    form = client.post(ADDRESS, files={"file": ("../../etc/name.ogg", data)})
    assert form.json() == upload
    hits = client.get("/api/v1/search", params={"like": f"upload:{upload['upload']}", "k": 10}).json()["hits"]
    ranks = {hit["track_id"]: hit["score"] for hit in hits}
    assert ranks[music.track(name)] == pytest.approx(1, abs=1e-3)
    blend = client.get("/api/v1/search", params={"text": "loud", "like": f"upload:{upload['upload']}:0.5"})
    assert blend.json()["hits"]


@pytest.mark.parametrize("name", RECORDINGS)
def test_recordings_of_microphones(client, name):
    answer = client.post(ADDRESS, content=RECORDINGS[name]())
    assert answer.status_code == 200, answer.text
    assert 1.5 < answer.json()["seconds"] < 4.1


def test_an_upload_that_is_not_known(client):
    answer = client.get("/api/v1/search", params={"like": "upload:u" + "0" * 31})
    assert answer.status_code == 400
    assert "send it again" in answer.json()["detail"]


HOSTILE = {
    "nothing": (b"", "empty"),
    "a text": (b"hello, I am a song " * 100, "unrecognised"),
    "a playlist": (b"#EXTM3U\n#EXTINF:1,x\nfile:///etc/passwd\n", "unrecognised"),
    "a script of FFmpeg": (b"ffconcat version 1.0\nfile /etc/passwd\n", "unrecognised"),
    "a program": (b"\x7fELF" + bytes(5000), "unrecognised"),
    "a header alone": (sndfile(SECONDS)[:44], "embedded"),
    "half a header": (sndfile(SECONDS)[:20], "embedded"),
    "a short sound": (sndfile(tone(0.3)), "too_short"),
    "silence": (sndfile(np.zeros_like(SECONDS)), "silent"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_uploads(client, name):
    data, reason = HOSTILE[name]
    answer = client.post(ADDRESS, content=data)
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
    assert reason in answer.json()["detail"]
    assert "/etc/" not in answer.text


@pytest.mark.parametrize("name", BROKEN)
def test_broken_files_are_refused_or_searched_with(client, name):
    answer = client.post(ADDRESS, content=BROKEN[name][0]())
    assert answer.status_code in (200, 400)
    assert client.get("/healthz").is_success


def test_a_small_file_of_many_hours(worker):
    """An hour of silence in FLAC has a few hundred kB: it is refused after 15 minutes of it were decoded."""
    data = sndfile(np.zeros((1, 8000 * 3600), np.float32), "FLAC", rate=8000)
    assert len(data) < 1 << 20
    with pytest.raises(UserError, match="longer than 15 minutes"):
        worker.embed(data, SPEC)


def test_a_header_that_states_other_lengths(worker):
    seconds, vector = worker.embed(endless_wav(sndfile(SECONDS)), SPEC)
    assert seconds == pytest.approx(10, abs=0.01)
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)
    flac = sndfile(SECONDS, "FLAC")
    huge = flac[:21] + (int.from_bytes(flac[21:26], "big") | 0xF_FFFF_FFFF).to_bytes(5, "big") + flac[26:]
    seconds, _ = worker.embed(huge, SPEC)
    assert seconds == pytest.approx(10, abs=0.2)


def test_a_decoder_that_dies(worker):
    worker.embed(sndfile(SECONDS), SPEC)
    first = worker.process
    os.kill(first.pid, signal.SIGSTOP)  # so that it is at work when the signal comes
    threading.Timer(0.3, os.kill, (first.pid, signal.SIGKILL)).start()
    with pytest.raises(UserError, match="its decoder died"):
        worker.embed(sndfile(SECONDS), SPEC)
    assert worker.embed(sndfile(SECONDS), SPEC)[0] == pytest.approx(10, abs=0.01)
    assert worker.process.pid != first.pid


def test_a_decoder_that_hangs(worker, monkeypatch):
    worker.embed(sndfile(SECONDS), SPEC)
    process = worker.process
    os.kill(process.pid, signal.SIGSTOP)  # it neither answers nor ends
    monkeypatch.setattr(worker, "_seconds", 0.2)
    began = time.monotonic()
    with pytest.raises(UserError, match="longer than 0 s"):
        worker.embed(sndfile(SECONDS), SPEC)
    assert time.monotonic() - began < 10
    assert not process.is_alive()
    monkeypatch.undo()
    assert worker.embed(sndfile(SECONDS), SPEC)[0] == pytest.approx(10, abs=0.01)


def test_a_process_that_was_taken_over_answers_no_pickles(worker, monkeypatch):
    class Connection:
        def send(self, _):
            pass

        send_bytes = send

        def poll(self, _):
            return True

        def recv_bytes(self, _):
            return b"\x80\x04cposix\nsystem\n"

        def close(self):
            pass

    worker.embed(sndfile(SECONDS), SPEC)
    monkeypatch.setattr(worker, "_connection", Connection())
    with pytest.raises(UserError, match="its decoder died"):
        worker.embed(sndfile(SECONDS), SPEC)


def test_the_process_keeps_its_encoder(worker):
    worker.embed(sndfile(SECONDS), SPEC)
    pid = worker.process.pid
    worker.embed(ffmpeg(SECONDS, "mp3"), SPEC)
    assert worker.process.pid == pid
    assert psutil.Process(pid).is_running()


def test_too_large_files(client, monkeypatch):
    monkeypatch.setattr(uploads, "MAX_BYTES", 100_000)
    data = sndfile(SECONDS)
    for answer in (client.post(ADDRESS, content=data), client.post(ADDRESS, files={"file": data})):
        assert answer.status_code == 413
        assert answer.json()["title"].endswith("Too Large")

    def pieces():
        for start in range(0, len(data), 50_000):
            yield data[start : start + 50_000]

    assert client.post(ADDRESS, content=pieces()).status_code == 413  # without a stated length


@pytest.mark.parametrize("as_form", [False, True])
def test_a_file_of_a_byte_too_many(client, monkeypatch, as_form):
    data = b"\xff" * 100_001
    monkeypatch.setattr(uploads, "MAX_BYTES", len(data))
    sent = {"files": {"file": data}} if as_form else {"content": data}
    assert client.post(ADDRESS, **sent).status_code == 400  # no audio, but not too large
    monkeypatch.setattr(uploads, "MAX_BYTES", len(data) - 1)
    answer = client.post(ADDRESS, **sent)
    assert answer.status_code == 413
    assert "send a part of it" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("content", "content_type"),
    [
        (b"hello", "multipart/form-data"),
        (b"--x\r\n", "multipart/form-data; boundary=x"),
        (b"", "multipart/form-data; a"),
    ],
)
def test_forms_that_are_none(client, content, content_type):
    answer = client.post(ADDRESS, content=content, headers={"Content-Type": content_type})
    assert answer.status_code == 400
    assert "form" in answer.json()["detail"]


def test_a_form_without_a_file(client):
    answer = client.post(ADDRESS, data={"file": "hello"})
    assert answer.status_code == 400


def test_so_many_at_once_and_no_more(music, monkeypatch):
    with music.app() as client:
        shared = client.app.state.uploads
        shared._at_once = 1
        gate, inside = threading.Event(), threading.Event()

        def embed(*_):
            inside.set()
            gate.wait(20)
            return 1.0, np.zeros(32, np.float32)

        monkeypatch.setattr(shared.workers, "embed", embed)
        first = threading.Thread(target=client.post, args=(ADDRESS,), kwargs={"content": b"first"})
        first.start()
        inside.wait(20)
        refused = client.post(ADDRESS, content=b"second")
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) > 0
        gate.set()
        first.join()
        assert client.post(ADDRESS, content=b"third").is_success


def test_the_upload_leaves_no_file(client, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    client.post(ADDRESS, content=sndfile(tone(15)))
    assert not list(tmp_path.iterdir())


def test_a_client_that_goes_away_frees_its_place(music):
    app = create_app(Settings(lake=str(music.uri)), ServeRules())
    with listening(app) as address:
        host, port = address.removeprefix("http://").split(":")
        connection = socket.create_connection((host, int(port)))
        head = f"POST {ADDRESS} HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: 100000\r\n\r\nbegin"
        connection.sendall(head.encode())
        wait_until(lambda: app.state.uploads._running == 1)
        connection.close()
        wait_until(lambda: app.state.uploads._running == 0)
