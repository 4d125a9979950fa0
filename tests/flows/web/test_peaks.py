"""/peaks/TRACK: the waveform of a track."""

import numpy as np
import pytest

from flows.web.peaks import PeaksCache
from tests.flows.web.music import LONG_SECONDS, PLAIN, TRANSCODED


@pytest.fixture(scope="module")
def client(music):
    with music.app() as client:
        yield client


@pytest.mark.parametrize("name", PLAIN + TRANSCODED)
def test_every_format_has_its_waveform(music, client, name):
    answer = client.get(f"/peaks/{music.track(name)}").json()
    levels = np.asarray(answer["peaks"])
    assert answer["seconds"] == pytest.approx(12 if name == "song.aiff" else 10, abs=0.1)
    assert levels.shape == (1000,)
    assert levels.min() >= 0
    assert levels.max() <= 1
    assert np.median(levels) > 0.2


def test_a_long_file_is_sampled_and_grows_louder_as_it_does(music, client):
    answer = client.get(f"/peaks/{music.track('long.aiff')}").json()
    parts = np.asarray(answer["peaks"]).reshape(10, 100).mean(axis=1)
    assert answer["seconds"] == LONG_SECONDS
    assert (np.diff(parts) > 0).all()
    assert parts[-1] / parts[0] == pytest.approx(10 * 0.955 / 1.45, rel=0.15)


def test_a_waveform_is_computed_once(music, client, monkeypatch):
    address = f"/peaks/{music.track('song.ogg')}"
    first = client.get(address)
    monkeypatch.setattr("flows.web.peaks.read_peaks", None)
    assert client.get(address).json() == first.json()
    assert client.get(address, headers={"If-None-Match": first.headers["etag"]}).status_code == 304


def test_unknown_tracks(client):
    answer = client.get("/peaks/nobody")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


def test_so_many_waveforms_are_kept():
    cache = PeaksCache(kept=3)
    for name in "abcd":
        cache.compute(name, lambda name=name: [float(ord(name))])
    assert cache.find("a") is None
    assert cache.find("d") == [float(ord("d"))]
    assert cache.compute("d", lambda: []) == [float(ord("d"))]
