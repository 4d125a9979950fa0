"""Tests of the committer: every outcome becomes one row; counts are checked against the tables."""

import contextlib

import lance
import pytest

from lake.catalogue.plan import coverage, make_plan
from lake.catalogue.tracks import register_tracks
from lake.embeddings.committer import Committer
from lake.storage.lake import Lake
from lake.storage.lease import Lease, LeaseLost
from schemas.runs import Coverage, CoverageError
from schemas.settings import S3Settings, Settings
from schemas.tables import embeddings_table, features_table, windows_table
from tests.lake.rows import SPEC, embedded_row, make_listing, outcome_batch, pending_row, quarantined_row, unit_vector


@pytest.fixture(params=["local", "s3"])
def home(request, tmp_path):
    uri = str(tmp_path / "lake") if request.param == "local" else request.getfixturevalue("s3_bucket")
    home = Lake.at(uri, S3Settings())
    home.write_format()
    return home


@contextlib.contextmanager
def committing(home, run_id="run", **settings):
    with Lease(home, embeddings_table(SPEC), run_id, print) as lease:
        yield Committer(home, SPEC, lease, run_id, Settings(**settings))


def table(home, name):
    return home.table(name).to_table().sort_by("track_id" if "track_id" in home.table(name).schema.names else "key")


def state(home, tracks):
    return coverage(make_plan(home, SPEC, tracks))


def test_outcomes_become_rows_and_the_counts_add_up(home):
    tracks = make_listing(["a", "b", "c", "d"])
    assert register_tracks(home, tracks)[1] == 4
    assert state(home, tracks) == Coverage(4, 0, 0, 4)
    with committing(home) as committer:
        committer.add(outcome_batch(embedded_row("a"), embedded_row("b"), quarantined_row("c"), pending_row("d")))
        committer.flush()
        committer.verify()
    assert state(home, tracks) == Coverage(4, 2, 1, 1, {"silent": 1})
    rows = table(home, embeddings_table(SPEC))
    assert rows["track_id"].to_pylist() == ["a", "b"]
    assert rows["run_id"].to_pylist() == ["run", "run"]
    assert rows["vector"].to_pylist()[0] == unit_vector("a1", 8).tolist()
    assert table(home, windows_table(SPEC))["track_id"].to_pylist() == ["a", "b"]
    assert table(home, features_table(SPEC))["features"].to_pylist()[0] == unit_vector("a", 12).tolist()
    assert home.table("audio_facts").count_rows() == 2


def test_writing_again_replaces(home):
    for run in range(2):
        with committing(home, f"run{run}") as committer:
            committer.add(outcome_batch(embedded_row("a"), embedded_row("b")))
            committer.flush()
            committer.verify()
            assert (committer.inserted, committer.replaced) == ((2, 0) if run == 0 else (0, 2))
    assert table(home, embeddings_table(SPEC))["run_id"].to_pylist() == ["run1", "run1"]


def test_a_changed_file_is_pending_then_replaced_in_one_commit(home):
    tracks = make_listing(["a", "b"], version="2")
    with committing(home) as committer:
        committer.add(outcome_batch(embedded_row("a"), embedded_row("b", version="2")))
        committer.flush()
    assert make_plan(home, SPEC, tracks).pending["track_id"].to_pylist() == ["a"]
    before = home.table(embeddings_table(SPEC)).version
    with committing(home) as committer:
        committer.add(outcome_batch(embedded_row("a", version="2")))
        committer.flush()
        committer.verify()
    assert home.table(embeddings_table(SPEC)).version == before + 1
    assert state(home, tracks) == Coverage(2, 2, 0, 0)


def test_a_file_that_broke_keeps_its_old_vector_as_a_stale_row(home):
    with committing(home) as committer:
        committer.add(outcome_batch(embedded_row("a"), embedded_row("b")))
        committer.flush()
    with committing(home) as committer:
        committer.add(outcome_batch(quarantined_row("a", version="2")))
        committer.flush()
        committer.verify()
    assert sorted(table(home, embeddings_table(SPEC))["track_id"].to_pylist()) == ["a", "b"]
    assert state(home, make_listing(["a"], version="2")).reasons == {"silent": 1}


def test_an_unreadable_file_keeps_its_vector(home):
    with committing(home) as committer:
        committer.add(outcome_batch(embedded_row("a")))
        committer.flush()
    with committing(home) as committer:
        committer.add(outcome_batch(quarantined_row("a", "unreadable", version="missing")))
        committer.flush()
        committer.verify()
    assert state(home, make_listing(["a"], version="missing")) == Coverage(1, 0, 1, 0, {"unreadable": 1})
    assert state(home, make_listing(["a"])) == Coverage(1, 1, 0, 0)


def test_quarantine_counts_attempts_and_ends_with_success(home):
    tracks = make_listing(["a"])
    for attempt in (1, 2):
        todo = make_plan(home, SPEC, tracks, retry_quarantined=True)
        assert len(todo.pending) == 1
        with committing(home) as committer:
            committer.attempts.update(todo.attempts)
            committer.add(outcome_batch(quarantined_row("a", "truncated")))
            committer.flush()
        assert home.table("quarantine").to_table()["attempts"].to_pylist() == [attempt]
    todo = make_plan(home, SPEC, tracks, retry_quarantined=True)
    with committing(home) as committer:
        committer.attempts.update(todo.attempts)
        committer.add(outcome_batch(embedded_row("a")))
        committer.flush()
    assert home.table("quarantine").count_rows() == 0
    assert state(home, tracks) == Coverage(1, 1, 0, 0)


def test_commits_wait_for_rows(home):
    with committing(home, commit_rows=3, commit_seconds=1e6) as committer:
        committer.add(outcome_batch(embedded_row("a"), embedded_row("b")))
        assert committer.commits == 0
        committer.add(outcome_batch(embedded_row("c")))
        assert committer.commits == 1
        committer.flush()
        assert committer.commits == 1


def test_a_replaced_writer_cannot_commit(home):
    with Lease(home, embeddings_table(SPEC), "old", print) as lease:
        committer = Committer(home, SPEC, lease, "old", Settings())
        committer.add(outcome_batch(embedded_row("a")))
        assert lease._create(lease.number + 1)  # as another run does when this one stops its heartbeat
        with pytest.raises(LeaseLost):
            committer.flush()
    assert home.table(embeddings_table(SPEC)).count_rows() == 0


def test_a_row_of_another_writer_is_noticed(home):
    with committing(home) as committer:
        committer.add(outcome_batch(embedded_row("a")))
        committer.flush()
        name = embeddings_table(SPEC)
        doubled = home.table(name).to_table()
        lance.write_dataset(doubled, home.table_uri(name), mode="append", storage_options=home.storage_options)
        with pytest.raises(CoverageError, match="2 rows of 1 tracks, 1 are due"):
            committer.verify()


def test_commits_carry_run_and_fence(home):
    with committing(home, "run7") as committer:
        committer.add(outcome_batch(embedded_row("a")))
        committer.flush()
    dataset = home.table(embeddings_table(SPEC))
    assert dataset.read_transaction(dataset.version).transaction_properties == {"run_id": "run7", "fence": "1"}


def test_identical_files_share_their_facts(home):
    with committing(home) as committer:
        committer.add(
            outcome_batch(embedded_row("a", content_sha256="same"), embedded_row("b", content_sha256="same"))
        )
        committer.flush()
        committer.verify()
    assert home.table("audio_facts").to_table()["content_sha256"].to_pylist() == ["same"]


def test_registering_again_keeps_added_at(home):
    first = make_listing(["a"])
    register_tracks(home, first)
    assert register_tracks(home, make_listing(["a", "b"], version="2"))[1] == 1
    rows = home.table("tracks").to_table().sort_by("track_id")
    assert rows["added_at"][0] == first["added_at"][0]
    assert rows["source_version"].to_pylist() == ["2", "2"]
