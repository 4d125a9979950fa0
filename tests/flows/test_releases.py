"""The life of a catalogue's releases, with real runs on a local disk and on SeaweedFS: readers see what is live."""

import json
import shutil

import pytest
import ray

from flows.index import index_catalogue
from flows.progress import Watch
from flows.promote import PromoteRequest, promote, rollback
from flows.query import find, status, tags
from flows.reports import IndexRequest
from lake.connect import Lake
from lake.releases import live, releases
from schemas.settings import S3Settings, Settings
from tests.cli import run


@pytest.fixture(scope="module", autouse=True)
def one_ray():
    yield
    ray.shutdown()


@pytest.fixture(params=["local", "s3"])
def lake(request, tmp_path):
    return str(tmp_path / "lake") if request.param == "local" else request.getfixturevalue("s3_bucket")


def index(lake, music, windows=None):
    (report,) = index_catalogue(IndexRequest((str(music),), windows), Settings(lake=lake, encoder="fake"), Watch())
    return report


def scores(lake, **asked):
    """What a reader who names no encoder is answered."""
    return [row["score"] for row in find(Settings(lake=lake), text="banjo", **asked)]


def number(lake):
    return live(Lake.at(lake, S3Settings())).number


def test_readers_follow_live_from_release_to_release(lake, rendered, tmp_path):
    music = tmp_path / "music"
    shutil.copytree(rendered, music)
    (music / "manifest.csv").unlink()
    later = next(music.glob("*.wav")).rename(tmp_path / "later.wav")
    whole = index(lake, music)
    assert (number(lake), len(scores(lake))) == (1, 5)

    shadow = index(lake, music, windows=1)
    assert number(lake) == 1
    old, new = (scores(lake, embedding_version=one.embedding_version) for one in (whole, shadow))
    assert old != new
    assert scores(lake) == old

    assert promote(PromoteRequest(shadow.embedding_version), Settings(lake=lake)).failed == []
    assert (scores(lake), scores(lake, number=1)) == (new, old)
    assert status(Settings(lake=lake))["live"]["release"] == 2
    assert rollback(None, Settings(lake=lake)).number == 3
    assert scores(lake) == old

    later.rename(music / "later.wav")
    new_tracks_reach_live_and_no_older_release(lake, music)
    found = json.loads(run("--lake", lake, "--json", "search", "banjo", "--release", "1").stdout)
    assert [row["score"] for row in found] == old


def new_tracks_reach_live_and_no_older_release(lake, music):
    nobody = Settings(lake=lake)
    assert index(lake, music).new == 1
    assert [one.command for one in releases(Lake.at(lake, S3Settings()))] == ["index", "promote", "rollback", "index"]
    now = find(nobody, text="banjo")
    (added,) = [row for row in now if row["uri"].endswith("later.wav")]
    assert len(now) == 6
    assert tags(nobody, added["track_id"])
    for older in (1, 2, 3):
        assert added["track_id"] not in [row["track_id"] for row in find(nobody, text="banjo", number=older)]
    assert index(lake, music).embedded_now == 0
    assert number(lake) == 4  # nothing new, nothing published
