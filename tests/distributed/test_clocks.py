"""Machines whose clocks are wrong by a month, either way: no order and no removal in a lake hangs on a clock."""

import json
from pathlib import Path

import libfaketime
import pytest

from lake.releases.releases import releases
from lake.storage.lake import Lake
from schemas.settings import S3Settings
from tests.cli import answer, refused, run
from tests.distributed.interrupted_runs import linked, rows

TRACKS_HELD = 24
CLOCK = Path(libfaketime.__file__).parent / "vendor/libfaketime/src/libfaketime.so.1"


def clock(days: int) -> dict[str, str]:
    """A process whose clock is wrong; that of its disk, and what counts seconds, stay right, as on a real machine."""
    right = {"FAKETIME_DONT_FAKE_MONOTONIC": "1", "NO_FAKE_STAT": "1"}
    return {"LD_PRELOAD": str(CLOCK), "FAKETIME": f"{days:+d}d", **right}


def asked(lake: str, *arguments: object, **settings: str):
    """The JSON document of a command, between lines of Ray: under a false clock its workers may die as they end."""
    lines = run("--lake", lake, "--encoder", "fake", "--json", *arguments, **settings).stdout.splitlines()
    (document,) = [line for line in lines if line.startswith(("{", "["))]
    return json.loads(document)


@pytest.mark.parametrize("days", [30, -30])
def test_whose_clock_is_wrong_does_not_matter(rendered, tmp_path, days):
    lake, music = str(tmp_path / "lake"), tmp_path / "music"
    music.mkdir()
    linked(rendered, music, 6)
    wrong, right = clock(days), {}
    assert asked(lake, "index", music, **wrong)["embedded"] == 6
    (copied,) = music.glob("0000.*")
    for number in range(6, TRACKS_HELD):  # identical to one that is there: known by content, not heard again
        (music / f"{number:04}{copied.suffix}").hardlink_to(copied)
    for clocks in (right, wrong):
        (report,) = asked(lake, "refresh", **clocks)["encoders"]
        assert (report["expected"], report["embedded"], report["pending"]) == (TRACKS_HELD, TRACKS_HELD, 0)
    held = rows(lake)
    assert len(held) == len(set(held)) == TRACKS_HELD
    for number, clocks in ((1, wrong), (2, right)):
        run("--lake", lake, "rollback", number, **clocks)
        run("--lake", lake, "maintain", "--retention", "1", **clocks)
    published = releases(Lake.at(lake, S3Settings()))
    assert [one.snapshot.tracks for one in published] == [6, TRACKS_HELD, 6, TRACKS_HELD]
    for one in published:
        assert len(answer(lake, "search", "calm", "-k", "30", "--release", one.number)) == one.snapshot.tracks
    for clocks in (wrong, right):
        assert asked(lake, "doctor", **clocks) == []
    assert rows(lake) == held


@pytest.mark.parametrize("days", [30, -30])
def test_a_store_refuses_a_wrong_clock_in_one_line(s3_bucket, days):
    assert "clock" in refused("--lake", s3_bucket, "status", **clock(days))
