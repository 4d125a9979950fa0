"""A takedown that is killed at any step: readers have every release meanwhile, and the next call ends it."""

import lance
import pytest
from lance.dataset import Tags

from flows.operations.doctor import doctor
from flows.operations.takedown import ForgetRequest, forget
from lake.catalogue.tracks import register
from lake.embeddings.committer import Committer
from lake.releases.releases import at, draft, is_kept, live, publish, release, snapshot
from lake.storage.lake import Lake
from lake.storage.lease import Lease
from schemas.settings import Settings
from schemas.tables import embeddings_table
from tests.flows.operations.test_takedown import holding
from tests.lake.rows import SPEC, batch, embedded, listing, small_lake

NAME = embeddings_table(SPEC)
STEPS = {
    lance.LanceDataset: ("restore", "commit", "drop_index", "create_scalar_index", "cleanup_old_versions"),
    Tags: ("create", "update", "delete"),
    Lake: ("upsert",),
}


class Killed(BaseException):
    """As kill -9: nothing catches it."""


@pytest.fixture
def home(tmp_path):
    """Three releases of three contents of t0003, and the first one again."""
    home = small_lake(str(tmp_path / "lake"), commits=2)
    publish(home, draft(None, snapshot(home, SPEC), "a-run", "index"), print)
    for version in ("2", "3"):
        register(home, listing([f"new-{version}"]))
        with Lease(home, NAME, f"run-{version}", print) as lease:
            committer = Committer(home, SPEC, lease, f"run-{version}", Settings())
            committer.add(batch(embedded("t0003", version), embedded(f"new-{version}")))
            committer.flush()
        publish(home, draft(live(home), snapshot(home, SPEC), f"run-{version}", "index"), print)
    publish(home, draft(live(home), release(home, 1).snapshot, "d-run", "rollback", again=1), print)
    return home


def killed_at(monkeypatch, home, method, which):
    """Kills a takedown before the call of that number of one of the methods that write; False where it ended first."""
    left = [which]

    def counted(do):
        def called(*arguments, **named):
            left[0] -= 1
            if not left[0]:
                raise Killed
            return do(*arguments, **named)

        return called

    (owner,) = (owner for owner, methods in STEPS.items() if method in methods)
    found = vars(owner)[method]
    is_static = isinstance(found, staticmethod)
    do = counted(found.__func__ if is_static else found)
    with monkeypatch.context() as patched:
        patched.setattr(owner, method, staticmethod(do) if is_static else do)
        try:
            forget(ForgetRequest(("t0003",)), Settings(lake=home.uri), print)
        except Killed:
            return True
    return False


def tracks(home, number=None):
    there = at(home, release(home, number).snapshot) if number else home
    return sorted(there.table(NAME).to_table()["track_id"].to_pylist())


@pytest.mark.parametrize(
    ("method", "which"),
    [
        *(("restore", 1), ("restore", 2), ("restore", 3), ("commit", 1), ("commit", 3), ("cleanup_old_versions", 2)),
        *(("create", 2), ("delete", 2), ("update", 1), ("update", 2), ("update", 3)),
        *(("upsert", 3), ("upsert", 4), ("upsert", 5), ("create_scalar_index", 1), ("create_scalar_index", 7)),
    ],
)
def test_killed_anywhere(home, monkeypatch, method, which):
    before = {number: tracks(home, number) for number in (None, 1, 2, 3, 4)}
    assert killed_at(monkeypatch, home, method, which)
    for number in (1, 2, 3, 4):
        assert {*before[number]} - {*tracks(home, number)} <= {"t0003"}
    assert forget(ForgetRequest(), Settings(lake=home.uri), print).is_clean
    for number, held in before.items():
        held.remove("t0003")
        assert tracks(home, number) == held
    assert all(is_kept(home, release(home, number)) for number in (1, 2, 3, 4))
    assert home.table(NAME).tags.list().keys() == {f"release-{number}" for number in (1, 2, 3, 4)}
    assert not any(holding(home, embedded("t0003", version)["vector"]) for version in "123")
    assert [finding for finding in doctor(Settings(lake=home.uri)) if finding.check != "runs"] == []


def test_the_tag_of_a_release_that_was_never_published_keeps_nothing(home):
    table = home.table(NAME)
    table.tags.create("release-5", table.version)
    assert forget(ForgetRequest(("t0003",)), Settings(lake=home.uri), print).is_clean
    assert "release-5" not in home.table(NAME).tags.list()
    assert not holding(home, embedded("t0003", "3")["vector"])
