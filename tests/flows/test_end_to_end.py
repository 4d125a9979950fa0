"""The life of a lake, on a local disk and on SeaweedFS: index, refresh, a second encoder, the gate, care, a doctor."""

import json
from dataclasses import replace

import numpy as np
import pytest

from flows.operations.maintain import MaintainRequest, maintain
from flows.releases.promote import PromoteRequest, promote, rollback
from flows.search.search import find, status, tags
from lake.releases.releases import live, releases
from schemas.settings import Settings
from tests.audio_files import sndfile
from tests.cli import run
from tests.flows.catalogue import Catalogue, changes, here
from workers.encoders.fake import SPEC, FakeEncoder, FakeText
from workers.encoders.registry import ENCODERS, Entry

RATE = 16_000
BROKEN = replace(SPEC, name="broken", backbone=replace(SPEC.backbone, layer="whatever it hears, it says the same"))


class Broken(FakeEncoder):
    """An encoder that collapsed in its training."""

    def embed_windows(self, windows):
        return 1 + 1e-6 * super().embed_windows(windows)


def write_tone(path, number):
    """Four seconds of a rising pitch of its own: two windows, which differ."""
    time = np.arange(4 * RATE) / RATE
    tone = 0.4 * np.sin(2 * np.pi * 120 * 1.16**number * time * (1 + 0.01 * time))
    path.write_bytes(sndfile(tone[None].astype(np.float32), rate=RATE))


@pytest.fixture(params=["local", "s3"])
def made(request, tmp_path, monkeypatch):
    uri = str(tmp_path / "lake") if request.param == "local" else request.getfixturevalue("s3_bucket")
    made = Catalogue(tmp_path / "music", uri)
    for number, path in enumerate(sorted(made.music.iterdir())):
        write_tone(path, number)
    for number in range(10, 24):
        write_tone(made.music / f"{number}.wav", number)
    here(made.decoded, monkeypatch)
    monkeypatch.setitem(ENCODERS, "broken", Entry(BROKEN, Broken, FakeText, (), realtime_factor=600))
    return made


def answers(made, **asked):
    """The score of each track that a reader who names no encoder finds."""
    return {row["track_id"]: row["score"] for row in find(Settings(lake=made.uri), text="banjo", k=100, **asked)}


def names(made):
    """The same by the name of the track's file, which may have moved since."""
    registry = made.registry()
    return {registry[track]["uri"].rsplit("/", 1)[1]: score for track, score in answers(made).items()}


def number(made):
    return live(made.lake).number


def test_the_life_of_a_lake(made):
    made.index()
    first, old = answers(made), names(made)
    assert (number(made), len(first)) == (1, 24)

    a_night_passes(made)
    second, new = answers(made), names(made)
    assert number(made) == 2
    assert new.keys() == old.keys() - {"a.wav", "c.wav"} | {"moved.wav", "new.wav"}
    assert new["moved.wav"] == old["a.wav"]
    assert new["b.wav"] != old["b.wav"]
    assert answers(made, number=1) == first

    candidate = a_second_encoder_is_written_beside_it(made)
    assert (number(made), answers(made)) == (2, second)

    the_gate_refuses_a_broken_one(made)
    assert (number(made), answers(made)) == (2, second)

    done = promote(PromoteRequest(candidate), Settings(lake=made.uri))
    assert (done.failed, done.published.number) == ([], 3)
    third = answers(made)
    assert third.keys() == second.keys()
    assert third != second

    assert rollback(None, Settings(lake=made.uri)).number == 4
    assert answers(made) == second

    care_changes_nothing_that_is_read(made, first, second, third)


def a_night_passes(made):
    (made.music / "a.wav").rename(made.music / "moved.wav")
    write_tone(made.music / "b.wav", 30)
    (made.music / "c.wav").unlink()
    write_tone(made.music / "new.wav", 31)
    report = made.refresh()
    assert changes(report) == {"new": 1, "changed": 1, "moved": 1, "vanished": 1, "hashed": 3}
    assert made.decoded == ["b.wav", "new.wav"]
    assert changes(made.refresh()) == {}
    assert made.decoded == []


def a_second_encoder_is_written_beside_it(made):
    shadow = made.index(windows=1)
    assert (shadow.expected, shadow.embedded, shadow.pending) == (24, 24, 0)
    return shadow.embedding_version


def the_gate_refuses_a_broken_one(made):
    broken = made.index(encoder="broken")
    refused = run("--lake", made.uri, "promote", broken.embedding_version, code=1)
    assert "refused: near-identical vectors" in refused.stdout
    assert "release 2 (fake" in refused.stdout


def care_changes_nothing_that_is_read(made, first, second, third):
    for _ in range(2):
        made.refresh()
    maintain(MaintainRequest(retention_days=0), Settings(lake=made.uri), print)
    assert answers(made) == second
    assert [answers(made, number=one) for one in (1, 2, 3)] == [first, second, third]
    assert [one.command for one in releases(made.lake)] == ["index", "refresh", "promote", "rollback"]
    told = json.loads(run("--lake", made.uri, "--json", "search", "banjo", "-k", "100", "--release", "1").stdout)
    assert {row["track_id"]: row["score"] for row in told} == first
    now = status(Settings(lake=made.uri))
    assert now["live"]["release"] == 4
    assert tags(Settings(lake=made.uri), next(iter(second)))
    for version in now["encoders"]:
        assert (version["expected"], version["embedded"], version["pending"]) == (24, 24, 0)
    assert run("--lake", made.uri, "doctor").stdout.strip() == "all is well"
