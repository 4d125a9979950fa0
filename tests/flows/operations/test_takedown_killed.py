"""A takedown killed at any step: every release stays readable, and the next call finishes it."""

import lance
import pytest
from lance.dataset import Tags

from flows.operations.doctor import examine_lakes
from flows.operations.takedown import TakedownRequest, take_down
from lake.catalogue.tracks import register_tracks
from lake.embeddings.committer import Committer
from lake.releases.publish import draft, publish
from lake.releases.releases import find_release, is_tagged, live_release, open_snapshot, take_snapshot
from lake.storage.lake import Lake
from lake.storage.lease import Lease
from schemas.settings import Settings
from schemas.tables import embeddings_table
from tests.flows.operations.test_takedown import files_with
from tests.lake.rows import SPEC, embedded_row, make_listing, make_small_lake, outcome_batch

NAME = embeddings_table(SPEC)
STEPS = {
    lance.LanceDataset: ("restore", "commit", "drop_index", "create_scalar_index", "cleanup_old_versions"),
    Tags: ("create", "update", "delete"),
    Lake: ("upsert",),
}


class Killed(BaseException):
    """Stands for a kill by SIGKILL: nothing catches it."""


@pytest.fixture
def home(tmp_path):
    """A lake with three releases of three contents of t0003; release 4 republishes the first."""
    home = make_small_lake(str(tmp_path / "lake"), commits=2)
    publish(home, draft(None, take_snapshot(home, SPEC), "a-run", "index"), print)
    for version in ("2", "3"):
        register_tracks(home, make_listing([f"new-{version}"]))
        with Lease(home, NAME, f"run-{version}", print) as lease:
            committer = Committer(home, SPEC, lease, f"run-{version}", Settings())
            committer.add(outcome_batch(embedded_row("t0003", version), embedded_row(f"new-{version}")))
            committer.flush()
        publish(home, draft(live_release(home), take_snapshot(home, SPEC), f"run-{version}", "index"), print)
    publish(home, draft(live_release(home), find_release(home, 1).snapshot, "d-run", "rollback", republishes=1), print)
    return home


def kill_takedown(monkeypatch, home, method, call):
    """Kill a takedown before the call of that number of a writing method; return False if it ends earlier."""
    remaining = [call]

    def kill_at_call(function):
        def wrapper(*arguments, **named):
            remaining[0] -= 1
            if not remaining[0]:
                raise Killed
            return function(*arguments, **named)

        return wrapper

    (owner,) = (owner for owner, methods in STEPS.items() if method in methods)
    original = vars(owner)[method]
    is_static = isinstance(original, staticmethod)
    wrapper = kill_at_call(original.__func__ if is_static else original)
    with monkeypatch.context() as patch:
        patch.setattr(owner, method, staticmethod(wrapper) if is_static else wrapper)
        try:
            take_down(TakedownRequest(("t0003",)), Settings(lake=home.uri), print)
        except Killed:
            return True
    return False


def track_ids(home, number=None):
    snapshot = open_snapshot(home, find_release(home, number).snapshot) if number else home
    return sorted(snapshot.table(NAME).to_table()["track_id"].to_pylist())


@pytest.mark.parametrize(
    ("method", "call"),
    [
        *(("restore", 1), ("restore", 2), ("restore", 3), ("commit", 1), ("commit", 3), ("cleanup_old_versions", 2)),
        *(("create", 2), ("delete", 2), ("update", 1), ("update", 2), ("update", 3)),
        *(("upsert", 3), ("upsert", 4), ("upsert", 5), ("create_scalar_index", 1), ("create_scalar_index", 7)),
    ],
)
def test_killed_anywhere(home, monkeypatch, method, call):
    before = {number: track_ids(home, number) for number in (None, 1, 2, 3, 4)}
    assert kill_takedown(monkeypatch, home, method, call)
    for number in (1, 2, 3, 4):
        assert {*before[number]} - {*track_ids(home, number)} <= {"t0003"}
    assert take_down(TakedownRequest(), Settings(lake=home.uri), print).is_clean
    for number, expected in before.items():
        expected.remove("t0003")
        assert track_ids(home, number) == expected
    assert all(is_tagged(home, find_release(home, number)) for number in (1, 2, 3, 4))
    assert home.table(NAME).tags.list().keys() == {f"release-{number}" for number in (1, 2, 3, 4)}
    assert not any(files_with(home, embedded_row("t0003", version)["vector"]) for version in "123")
    assert [finding for finding in examine_lakes(Settings(lake=home.uri)) if finding.check != "runs"] == []


def test_the_tag_of_an_unpublished_release_is_removed(home):
    table = home.table(NAME)
    table.tags.create("release-5", table.version)
    assert take_down(TakedownRequest(("t0003",)), Settings(lake=home.uri), print).is_clean
    assert "release-5" not in home.table(NAME).tags.list()
    assert not files_with(home, embedded_row("t0003", "3")["vector"])
