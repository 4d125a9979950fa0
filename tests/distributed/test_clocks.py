"""Machines whose clocks are a month off, either way: no order and no removal in a lake depends on a clock."""

import json
from pathlib import Path

import libfaketime
import pytest

from lake.releases.releases import list_releases
from lake.storage.lake import Lake
from schemas.settings import S3Settings
from tests.cli import error_line, run, run_json
from tests.distributed.interrupted_runs import embedded_ids, link_tracks

pytestmark = pytest.mark.slow

TRACK_COUNT = 24
CLOCK = Path(libfaketime.__file__).parent / "vendor/libfaketime/src/libfaketime.so.1"


def clock(days: int) -> dict[str, str]:
    """Return the environment of a process whose clock is wrong.

    The clock of its disk and the monotonic clock stay right, as on a real machine.
    """
    right = {"FAKETIME_DONT_FAKE_MONOTONIC": "1", "NO_FAKE_STAT": "1"}
    return {"LD_PRELOAD": str(CLOCK), "FAKETIME": f"{days:+d}d", **right}


def run_json_under_clock(lake: str, *arguments: object, **settings: str):
    """Run a command and return its JSON document.

    Ray may print lines around it: under a wrong clock its workers may die as they end.
    """
    lines = run("--lake", lake, "--encoder", "fake", "--json", *arguments, **settings).stdout.splitlines()
    (document,) = [line for line in lines if line.startswith(("{", "["))]
    return json.loads(document)


@pytest.mark.parametrize("days", [30, -30])
def test_a_wrong_clock_changes_nothing(rendered, tmp_path, days):
    lake, music = str(tmp_path / "lake"), tmp_path / "music"
    music.mkdir()
    link_tracks(rendered, music, 6)
    wrong, right = clock(days), {}
    assert run_json_under_clock(lake, "index", music, **wrong)["embedded"] == 6
    (copied,) = music.glob("0000.*")
    for number in range(6, TRACK_COUNT):  # identical to an embedded file: known by content, not decoded again
        (music / f"{number:04}{copied.suffix}").hardlink_to(copied)
    for clocks in (right, wrong):
        (report,) = run_json_under_clock(lake, "refresh", **clocks)["encoders"]
        assert (report["expected"], report["embedded"], report["pending"]) == (TRACK_COUNT, TRACK_COUNT, 0)
    ids = embedded_ids(lake)
    assert len(ids) == len(set(ids)) == TRACK_COUNT
    for number, clocks in ((1, wrong), (2, right)):
        run("--lake", lake, "rollback", number, **clocks)
        run("--lake", lake, "maintain", "--retention", "1", **clocks)
    published = list_releases(Lake.at(lake, S3Settings()))
    assert [release.snapshot.tracks for release in published] == [6, TRACK_COUNT, 6, TRACK_COUNT]
    for release in published:
        hits = run_json(lake, "search", "calm", "-k", "30", "--release", release.number)
        assert len(hits) == release.snapshot.tracks
    for clocks in (wrong, right):
        assert run_json_under_clock(lake, "doctor", **clocks) == []
    assert embedded_ids(lake) == ids


@pytest.mark.parametrize("days", [30, -30])
def test_a_store_refuses_a_wrong_clock_in_one_line(s3_bucket, days):
    assert "clock" in error_line("--lake", s3_bucket, "status", **clock(days))
