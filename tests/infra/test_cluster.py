"""What `make cluster` does, held to account: about two minutes, so `-m "not slow"` leaves it out."""

import pytest

from tests.infra.cluster import PIECES, Counts, run
from tests.infra.topology import processes_of

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("cluster")


@pytest.fixture(scope="module")
def outcome(folder):
    return run(folder, False, print)


@pytest.mark.timeout(600)  # the fixture's work
def test_every_deployment_that_was_run_completed(outcome):
    runs = ("index/on-request", "refresh/nightly-refresh", "evaluate/nightly")
    assert outcome.states == dict.fromkeys(runs, "Completed")


def test_both_ray_nodes_computed(outcome):
    assert outcome.nodes == len(outcome.blocks) == 2
    assert sum(outcome.blocks.values()) == PIECES + 1  # so few tracks are a block each


def test_every_track_is_accounted_for_in_the_store(outcome):
    assert outcome.indexed == Counts(PIECES + 1, PIECES, 1, 0, PIECES)
    assert outcome.refreshed == Counts(PIECES + 2, PIECES + 1, 1, 0, PIECES + 1)
    (told,) = outcome.status["encoders"]
    assert [told[name] for name in ("expected", "embedded", "quarantined", "pending")] == [
        PIECES + 2,
        PIECES + 1,
        1,
        0,
    ]


def test_scores_are_in_the_lake_and_hear_high_from_low(outcome):
    assert outcome.figures.keys() == {("linear", "roc_auc"), ("mlp", "roc_auc")}
    assert min(outcome.figures.values()) > 0.9


def test_a_plain_shell_finds_tracks(outcome):
    assert len(outcome.found) == 3
    assert all(row["uri"].startswith("s3://") for row in outcome.found)
    assert "flute" in outcome.found[0]["uri"]


def test_nothing_of_it_is_left_running(outcome, folder):
    assert outcome.running > 10  # which the same search found while it stood
    assert not processes_of(folder)
