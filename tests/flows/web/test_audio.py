"""/audio/TRACK: what browsers play is sent as it is, the rest as MP3; parts are sent on demand."""

import io

import av
import numpy as np
import pytest
from starlette.testclient import TestClient

from lake.storage.store import open_file_system
from schemas.settings import S3Settings
from tests.audio_files import RATE, SECONDS
from tests.cli import run_here
from tests.flows.web.music import PLAIN, TRANSCODED, Music, index, open_files
from workers.audio.transcode import FRAME_BYTES, count_bytes


@pytest.fixture(scope="module")
def client(music):
    with music.app() as client:
        yield client


def decode(data: bytes) -> np.ndarray:
    """Return the left channel of an audio file."""
    with av.open(io.BytesIO(data)) as container:
        return np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])


@pytest.mark.parametrize("name", PLAIN)
def test_a_file_that_browsers_play_is_sent_byte_for_byte(music, client, name):
    answer = client.get(f"/audio/{music.track(name)}")
    assert answer.content == (music.folder / name).read_bytes()
    assert answer.headers["content-type"].startswith("audio/")
    assert answer.headers["accept-ranges"] == "bytes"
    assert "no-cache" in answer.headers["cache-control"]
    assert not open_files(music.folder)


@pytest.mark.parametrize("name", TRANSCODED)
def test_another_file_is_sent_as_mp3_of_its_length(music, client, name):
    answer = client.get(f"/audio/{music.track(name)}")
    assert answer.headers["content-type"] == "audio/mpeg"
    assert len(answer.content) == int(answer.headers["content-length"])
    with av.open(io.BytesIO(answer.content)) as container:
        assert container.streams.audio[0].codec_context.name.startswith("mp3")
        seconds = container.duration / av.time_base
    assert seconds == pytest.approx(12 if name == "song.aiff" else 10, abs=0.1)
    levels = np.abs(decode(answer.content)).reshape(-1, 1152).max(axis=1)
    assert np.median(levels) > 0.1


def test_mp3_on_demand_for_a_browser_that_does_not_play_ogg(music, client):
    answer = client.get(f"/audio/{music.track('song.ogg')}", params={"mp3": True})
    assert answer.headers["content-type"] == "audio/mpeg"
    decoded, delay = decode(answer.content), 1105 + 576  # of the encoder
    expected = np.abs(SECONDS[0]).max()
    assert np.abs(decoded[delay:]).max() == pytest.approx(expected, rel=0.15)


@pytest.mark.parametrize("name", ["song.ogg", "song.aiff"])
@pytest.mark.parametrize(
    ("wanted", "part"),
    [
        ("bytes=0-", slice(0, None)),
        ("bytes=0-0", slice(0, 1)),
        ("bytes=1000-1999", slice(1000, 2000)),
        ("bytes=50000-", slice(50_000, None)),
        ("bytes=-700", slice(-700, None)),
        ("bytes=1000-99999999", slice(1000, None)),
    ],
)
def test_a_part(music, client, name, wanted, part):
    whole = client.get(f"/audio/{music.track(name)}").content
    answer = client.get(f"/audio/{music.track(name)}", headers={"Range": wanted})
    start, stop, _ = part.indices(len(whole))
    assert answer.status_code == 206
    assert answer.headers["content-range"] == f"bytes {start}-{stop - 1}/{len(whole)}"
    assert len(answer.content) == int(answer.headers["content-length"]) == stop - start
    if name == "song.ogg":
        assert answer.content == whole[part]


@pytest.mark.parametrize("name", TRANSCODED)
def test_a_part_of_mp3_sounds_like_that_part_of_the_whole(music, client, name):
    whole = client.get(f"/audio/{music.track(name)}").content
    start = len(whole) // 2 // FRAME_BYTES * FRAME_BYTES
    part = client.get(f"/audio/{music.track(name)}", headers={"Range": f"bytes={start}-"}).content
    after = decode(whole)[start // FRAME_BYTES * 1152 :][4000:20_000]
    decoded = decode(part)[3000:22_000]
    best = max(np.corrcoef(after, decoded[lag : lag + len(after)])[0, 1] for lag in range(900, 1100))
    assert best > 0.9  # within 2 ms, most of it


@pytest.mark.parametrize("wanted", ["bytes=5-2", "bytes=a-b", "bytes=-", "lines=1-2", "bytes=0-1,5-6", "bytes 0-1"])
def test_what_is_no_single_range_is_answered_with_everything(music, client, wanted):
    answer = client.get(f"/audio/{music.track('song.ogg')}", headers={"Range": wanted})
    assert answer.status_code == 200
    assert len(answer.content) == (music.folder / "song.ogg").stat().st_size


@pytest.mark.parametrize("wanted", ["bytes=99999999-", "bytes=99999999-999999999", "bytes=-0"])
def test_a_part_behind_the_end(music, client, wanted):
    answer = client.get(f"/audio/{music.track('song.ogg')}", headers={"Range": wanted})
    assert answer.status_code == 416
    assert answer.headers["content-range"] == f"bytes */{(music.folder / 'song.ogg').stat().st_size}"
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_part_of_the_file_that_the_client_knows(music, client):
    address = f"/audio/{music.track('song.ogg')}"
    etag = client.head(address).headers["etag"]
    assert client.get(address, headers={"Range": "bytes=0-9", "If-Range": etag}).status_code == 206
    assert client.get(address, headers={"Range": "bytes=0-9", "If-Range": '"another"'}).status_code == 200
    assert client.get(address, headers={"Range": "bytes=0-9", "If-Range": "Mon, 30 Nov 2026 00:00:00 GMT"}).is_success
    assert client.get(address, headers={"If-None-Match": etag}).status_code == 304
    assert client.head(f"{address}?mp3=1").headers["etag"] != etag


@pytest.mark.parametrize("name", ["song.ogg", "song.aiff"])
def test_head_opens_nothing_for_long(music, client, name):
    answer = client.head(f"/audio/{music.track(name)}")
    assert (answer.status_code, answer.content) == (200, b"")
    assert int(answer.headers["content-length"]) > 100_000
    part = client.head(f"/audio/{music.track(name)}", headers={"Range": "bytes=0-9"})
    assert (part.status_code, part.headers["content-length"]) == (206, "10")
    assert not open_files(music.folder)


def test_the_bytes_of_mp3_are_those_that_were_stated():
    assert count_bytes(12.0) == (500 + 1) * FRAME_BYTES
    assert RATE == 44_100  # a rate that is not a multiple of the MP3's


def test_unknown_tracks(client):
    for name in ("nobody", "a/b", "../../etc/passwd", "%2e%2e%2fetc%2fpasswd", "'; DROP TABLE tracks", "x" * 500):
        answer = client.get(f"/audio/{name}")
        assert answer.status_code == 404, name
        assert answer.headers["content-type"] == "application/problem+json"
        assert "Traceback" not in answer.text
    assert client.get("/audio/" + "x" * 501).status_code == 422


def test_a_takedown_counts_from_the_next_request_on(music, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # where the receipt is written
    music = music.copy(tmp_path)
    track_id = music.track("song.ogg")
    with music.app() as client:
        assert client.get(f"/audio/{track_id}").is_success
        assert client.get(f"/peaks/{track_id}").is_success
        run_here("--lake", music.uri, "takedown", track_id, "--yes", "--receipt", tmp_path / "receipt.json")
        for address in (f"/audio/{track_id}", f"/peaks/{track_id}"):
            answer = client.get(address)
            assert answer.status_code == 404
            assert "taken down" in answer.json()["detail"]
        assert client.get(f"/audio/{music.track('song.wav')}").is_success


def test_what_a_store_holds_is_sent_in_parts_too(music, tmp_path, s3_bucket):
    files = Music(music.folder, tmp_path / "lake")
    _upload(music, s3_bucket)
    index(files, f"{s3_bucket}/music")
    with files.app() as client:
        _check_store(files, client)


def _upload(music: Music, bucket: str) -> None:
    store = open_file_system(bucket, S3Settings())
    for name in ("song.ogg", "song.aiff"):
        store.pipe_file(f"{bucket}/music/{name}", (music.folder / name).read_bytes())


def _check_store(files: Music, client: TestClient) -> None:
    whole = (files.folder / "song.ogg").read_bytes()
    track_id = files.track("song.ogg")
    assert client.get(f"/audio/{track_id}").content == whole
    assert client.get(f"/audio/{track_id}", headers={"Range": "bytes=100-199"}).content == whole[100:200]
    assert client.get(f"/audio/{files.track('song.aiff')}").headers["content-type"] == "audio/mpeg"
    assert len(client.get(f"/peaks/{files.track('song.aiff')}").json()["peaks"]) == 1000
