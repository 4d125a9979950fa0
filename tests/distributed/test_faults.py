"""What must survive: kill -9 of everything, two indexers at once, a file that kills its worker, an interrupt."""

import os
import re
import signal
from pathlib import Path

import lance
import pytest

from flows.releases.promote import PromoteRequest, promote
from lake.releases.releases import as_released, live, releases
from schemas.errors import UserError
from schemas.settings import Settings
from tests.cli import answer, kill_group, start
from tests.distributed.interrupted_runs import drained, exact, home_of, linked, rows, wait_for_rows

TRACKS = 300
OFTEN = {"TONELAKE_COMMIT_ROWS": "16"}


@pytest.fixture(scope="module")
def music(rendered, tmp_path_factory):
    """Enough tracks to be caught in the middle."""
    return linked(rendered, tmp_path_factory.mktemp("faults"), TRACKS)


@pytest.fixture(params=["local", "s3"])
def lake(request, tmp_path):
    return str(tmp_path / "lake") if request.param == "local" else request.getfixturevalue("s3_bucket")


def test_kill_9_loses_nothing_and_doubles_nothing(music, lake):
    process = drained(start("--lake", lake, "--encoder", "fake", "index", music, **OFTEN))
    there = wait_for_rows(lake, process, 4)
    kill_group(process)
    assert there < TRACKS, "the run ended before it was killed"
    survived = rows(lake)
    assert len(survived) >= there
    exact(lake, music, TRACKS)
    assert set(survived) <= set(rows(lake))


def test_an_interrupt_keeps_what_was_computed(music, tmp_path):
    lake = str(tmp_path / "lake")
    process = drained(start("--lake", lake, "--encoder", "fake", "index", music, TONELAKE_COMMIT_ROWS="100"))
    there = wait_for_rows(lake, process, 100)
    os.kill(process.pid, signal.SIGINT)
    assert process.wait(timeout=60) == 130
    assert there <= len(rows(lake)) < TRACKS
    exact(lake, music, TRACKS)


def test_two_indexers_at_once(music, lake):
    first = drained(start("--lake", lake, "--encoder", "fake", "index", music, **OFTEN))
    wait_for_rows(lake, first, 1)
    second = start("--lake", lake, "--encoder", "fake", "index", music, **OFTEN)
    _, errors = second.communicate(timeout=200)
    assert first.wait(timeout=200) == 0
    assert second.returncode in (0, 2)
    if second.returncode == 2:
        assert "is writing embeddings__fake__" in errors
    exact(lake, music, TRACKS)


def test_lance_alone_reads_what_a_killed_run_left(music, tmp_path):
    lake = str(tmp_path / "lake")
    process = drained(start("--lake", lake, "--encoder", "fake", "index", music, **OFTEN))
    wait_for_rows(lake, process, 4)
    kill_group(process)
    for path in Path(lake).glob("*.lance"):
        lance.dataset(str(path)).to_table()


def test_promotes_during_an_index(music, lake):
    """Each release holds whole rows of one moment, and the run's own end is live last."""
    answer(lake, "index", *sorted(music.iterdir())[:8])
    first = live(home_of(lake)).snapshot.embedding_version
    process = drained(start("--lake", lake, "--encoder", "fake", "index", music, **OFTEN))
    promoted, refusals = 0, []
    wait_for_rows(lake, process, 24)
    while process.poll() is None:
        try:
            promote(PromoteRequest(first, reason="in the middle of a run"), Settings(lake=lake), print)
        except UserError as refusal:  # nothing new since the last, or the run's own end came in between
            refusals.append(str(refusal))
        else:
            promoted += 1
    assert all(re.search("is that already, and live|published meanwhile", one) for one in refusals)
    assert promoted, "the run ended before it was disturbed"
    assert process.wait(timeout=200) == 0
    exact(lake, music, TRACKS)
    published = releases(home_of(lake))
    assert [one.number for one in published] == list(range(1, len(published) + 1))
    assert len(published) - 1 in (promoted, promoted + 1)  # the run publishes what no promote has
    sizes = [as_released(home_of(lake), one)[0].table(one.snapshot.table).count_rows() for one in published]
    assert sizes == [one.snapshot.tracks for one in published] == sorted(sizes)
    assert (sizes[0], sizes[-1]) == (8, TRACKS)
