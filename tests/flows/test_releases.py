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


def test_readers_follow_live_from_release_to_release(lake, rendered, tmp_path):
    music = tmp_path / "music"
    shutil.copytree(rendered, music)
    (music / "manifest.csv").unlink()
    later = next(music.glob("*.wav")).rename(tmp_path / "later.wav")
    nobody = Settings(lake=lake)  # a reader who names no encoder

    whole = index(lake, music)
    assert live(Lake.at(lake, S3Settings())).number == 1
    assert len(find(nobody, text="banjo")) == 5

    one_window = index(lake, music, windows=1)
    assert live(Lake.at(lake, S3Settings())).snapshot.embedding_version == whole.embedding_version
    by_whole, by_one = (
        [row["score"] for row in find(nobody, text="banjo", embedding_version=version.embedding_version)]
        for version in (whole, one_window)
    )
    assert by_whole != by_one
    assert [row["score"] for row in find(nobody, text="banjo")] == by_whole

    done = promote(PromoteRequest(one_window.embedding_version), nobody)
    assert done.failed == []
    assert [row["score"] for row in find(nobody, text="banjo")] == by_one
    assert [row["score"] for row in find(nobody, text="banjo", number=1)] == by_whole
    assert status(nobody)["live"]["release"] == 2

    assert rollback(None, nobody).number == 3
    assert [row["score"] for row in find(nobody, text="banjo")] == by_whole

    later.rename(music / "later.wav")
    assert index(lake, music).new == 1
    assert [one.command for one in releases(Lake.at(lake, S3Settings()))] == ["index", "promote", "rollback", "index"]
    now = find(nobody, text="banjo")
    (added,) = [row for row in now if row["uri"].endswith("later.wav")]
    assert len(now) == 6
    assert tags(nobody, added["track_id"])
    for number in (1, 2, 3):
        assert added["track_id"] not in [row["track_id"] for row in find(nobody, text="banjo", number=number)]
    assert index(lake, music).embedded_now == 0
    assert live(Lake.at(lake, S3Settings())).number == 4  # nothing new, nothing published

    found = json.loads(run("--lake", lake, "--json", "search", "banjo", "--release", "1").stdout)
    assert [row["score"] for row in found] == by_whole
