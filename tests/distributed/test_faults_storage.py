"""What must survive of the store: an outage in the middle of a write, errors, cut and slow answers, answers lost."""

import json
import threading
import time

import pyarrow as pa
import pytest

from lake.storage.lake import Lake
from lake.storage.lease import Lease
from schemas.settings import S3Settings
from schemas.tracks import TRACKS
from tests.cli import answer, start
from tests.distributed.interrupted_runs import drained, exact, last_line, linked, rows, wait_for_rows
from tests.fault_proxy import FaultProxy
from tests.seaweed import BUCKET, Seaweed

OFTEN = {"TONELAKE_COMMIT_ROWS": "8"}
TRACKS_HELD = 160
OUTAGE_SECONDS = 30.0


@pytest.fixture(scope="module")
def music(rendered, tmp_path_factory):
    return linked(rendered, tmp_path_factory.mktemp("storage"), TRACKS_HELD)


@pytest.fixture
def store(tmp_path, monkeypatch):
    """A SeaweedFS of the test's own, which it may kill."""
    with Seaweed(tmp_path / "seaweed") as server:
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        yield server


@pytest.mark.slow
def test_the_store_is_away_for_30_seconds(music, store):
    lake = f"s3://{BUCKET}/lake"
    process = drained(start("--lake", lake, "--encoder", "fake", "index", music, **OFTEN))
    assert wait_for_rows(lake, process, 8) < TRACKS_HELD
    store.kill()
    threading.Event().wait(OUTAGE_SECONDS)  # the fault itself, not a wait for luck
    assert process.poll() is None, "the run did not wait for the store"
    store.start()
    assert process.wait(timeout=240) == 0
    assert exact(lake, music, TRACKS_HELD)["embedded_now"] == 0


@pytest.mark.slow
def test_a_store_that_stays_away_ends_a_run_in_one_line(music, store):
    lake = f"s3://{BUCKET}/lake"
    process = start("--lake", lake, "--encoder", "fake", "index", music, **OFTEN, TONELAKE_STORE_PATIENCE="1")
    said = []
    reader = threading.Thread(target=lambda: said.append(process.stderr.read()), daemon=True)
    reader.start()
    threading.Thread(target=process.stdout.read, daemon=True).start()
    there = wait_for_rows(lake, process, 8)
    began = time.monotonic()
    store.kill()
    assert process.wait(timeout=120) == 2
    print(f"told after {time.monotonic() - began:.1f} s")
    reader.join()
    assert "no S3 store answers" in last_line(said[0]) or "does not answer" in last_line(said[0])
    assert "run the same command" in last_line(said[0])
    store.start()
    assert there <= len(rows(lake)) < TRACKS_HELD
    exact(lake, music, TRACKS_HELD)


@pytest.mark.slow
def test_errors_cut_and_slow_answers(music, s3_server, s3_bucket):
    """Each attempt ends well, or with one line: Lance does not read a list again that was cut in its midst."""
    with FaultProxy(s3_server.endpoint, seed=9, refused=0.08, cut=0.02, slow=0.08, pause=0.1) as proxy:
        through = {"AWS_ENDPOINT_URL": proxy.endpoint, "TONELAKE_COMMIT_ROWS": "32"}
        for _ in range(4):
            process = start("--lake", s3_bucket, "--encoder", "fake", "index", music, **through)
            _, errors = process.communicate(timeout=240)
            if process.returncode == 0:
                break
            assert process.returncode == 2
            assert "does not answer" in last_line(errors)
        assert process.returncode == 0
        found = _asked(proxy, s3_bucket, "search", "calm", "-k", "5")
        assert len(found) == 5
    assert min(proxy.did[fault] for fault in ("refused", "cut", "slow")) > 0, proxy.did
    assert exact(s3_bucket, music, TRACKS_HELD)["embedded_now"] == 0
    assert found == answer(s3_bucket, "search", "calm", "-k", "5")


def _asked(proxy: FaultProxy, lake: str, *arguments: object):
    """The answer of a command that only reads, which may have to be asked twice."""
    before = proxy.did.copy()
    for _ in range(3):
        process = start("--lake", lake, "--encoder", "fake", "--json", *arguments, AWS_ENDPOINT_URL=proxy.endpoint)
        said, errors = process.communicate(timeout=120)
        if process.returncode == 0:
            break
        last_line(errors)
    assert proxy.did != before
    return json.loads(said)


@pytest.fixture
def forgetful(s3_server, s3_bucket, monkeypatch):
    """A lake behind a proxy that does what a put asks and answers with an error, once for each object."""
    with FaultProxy(s3_server.endpoint, once={r"^PUT .*(_leases|_versions)/": "lost"}) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.endpoint)
        yield proxy, s3_bucket


def test_a_lease_whose_answer_was_lost_is_ones_own(forgetful):
    proxy, uri = forgetful
    said: list[str] = []
    began = time.monotonic()
    with Lease(Lake.at(uri, S3Settings()), "t", "first", said.append) as lease:
        assert lease.number == 1
        lease.check()
    with Lease(Lake.at(uri, S3Settings()), "t", "second", said.append) as lease:
        assert lease.number == 2
    assert proxy.did["lost"] >= 2
    assert said == []
    assert time.monotonic() - began < 30, "it waited for itself"


def test_a_commit_whose_answer_was_lost_is_one_commit(forgetful):
    proxy, uri = forgetful
    home = Lake.at(uri, S3Settings())
    for step in range(1, 4):
        ids = [f"t{number}" for number in range(step * 10)]
        rows_now = pa.Table.from_pylist([{"track_id": one, "state": "active"} for one in ids], schema=TRACKS)
        home.upsert("tracks", TRACKS, rows_now)
        held = home.table("tracks").to_table(columns=["track_id"])["track_id"].to_pylist()
        assert sorted(held) == sorted(ids)
    assert home.table("tracks").version == 4  # made empty, then written three times
    assert proxy.did["lost"] == 4


def test_a_run_whose_answers_are_lost(music, forgetful):
    proxy, uri = forgetful
    report = answer(uri, "index", music, TONELAKE_COMMIT_ROWS="32")
    assert report["embedded"] == TRACKS_HELD
    assert proxy.did["lost"] > 10
    assert exact(uri, music, TRACKS_HELD)["embedded_now"] == 0
