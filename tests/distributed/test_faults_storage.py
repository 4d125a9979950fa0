"""Faults of the store: an outage during a write, errors, cut and slow responses, lost responses."""

import json
import threading
import time

import pyarrow as pa
import pytest

from lake.storage.lake import Lake
from lake.storage.lease import Lease
from schemas.settings import S3Settings
from schemas.tracks import TRACKS
from tests.cli import run_json, start
from tests.distributed.interrupted_runs import (
    drain_output,
    embedded_ids,
    finish_run,
    last_line,
    link_tracks,
    wait_for_rows,
)
from tests.fault_proxy import FaultProxy
from tests.seaweed import BUCKET, Seaweed

pytestmark = pytest.mark.slow

FREQUENT_COMMITS = {"TONELAKE_COMMIT_ROWS": "8"}
TRACK_COUNT = 160
OUTAGE_SECONDS = 30.0


@pytest.fixture(scope="module")
def music(rendered, tmp_path_factory):
    return link_tracks(rendered, tmp_path_factory.mktemp("storage"), TRACK_COUNT)


@pytest.fixture
def store(tmp_path, monkeypatch):
    """A SeaweedFS that the test may kill."""
    with Seaweed(tmp_path / "seaweed") as server:
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        yield server


def test_the_store_is_away_for_30_seconds(music, store):
    lake = f"s3://{BUCKET}/lake"
    process = drain_output(start("--lake", lake, "--encoder", "fake", "index", music, **FREQUENT_COMMITS))
    assert wait_for_rows(lake, process, 8) < TRACK_COUNT
    store.kill()
    threading.Event().wait(OUTAGE_SECONDS)  # the fault itself, not a wait for luck
    assert process.poll() is None, "the run did not wait for the store"
    store.start()
    assert process.wait(timeout=240) == 0
    assert finish_run(lake, music, TRACK_COUNT)["embedded_now"] == 0


def test_a_store_that_stays_away_ends_a_run_in_one_line(music, store):
    lake = f"s3://{BUCKET}/lake"
    process = start(
        "--lake", lake, "--encoder", "fake", "index", music, **FREQUENT_COMMITS, TONELAKE_STORE_PATIENCE="1"
    )
    outputs = []
    reader = threading.Thread(target=lambda: outputs.append(process.stderr.read()), daemon=True)
    reader.start()
    threading.Thread(target=process.stdout.read, daemon=True).start()
    committed = wait_for_rows(lake, process, 8)
    started = time.monotonic()
    store.kill()
    assert process.wait(timeout=120) == 2
    print(f"ended after {time.monotonic() - started:.1f} s")
    reader.join()
    assert "no S3 store answers" in last_line(outputs[0]) or "does not answer" in last_line(outputs[0])
    assert "run the same command" in last_line(outputs[0])
    store.start()
    assert committed <= len(embedded_ids(lake)) < TRACK_COUNT
    finish_run(lake, music, TRACK_COUNT)


def test_errors_cut_and_slow_answers(music, s3_server, s3_bucket):
    """Each attempt succeeds or ends with one line: Lance does not retry a listing that was cut in the middle."""
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
        hits = _run_with_retries(proxy, s3_bucket, "search", "calm", "-k", "5")
        assert len(hits) == 5
    assert min(proxy.counts[fault] for fault in ("refused", "cut", "slow")) > 0, proxy.counts
    assert finish_run(s3_bucket, music, TRACK_COUNT)["embedded_now"] == 0
    assert hits == run_json(s3_bucket, "search", "calm", "-k", "5")


def _run_with_retries(proxy: FaultProxy, lake: str, *arguments: object):
    """Return the JSON document of a command that only reads; the fault may require several attempts."""
    before = proxy.counts.copy()
    for _ in range(3):
        process = start("--lake", lake, "--encoder", "fake", "--json", *arguments, AWS_ENDPOINT_URL=proxy.endpoint)
        output, errors = process.communicate(timeout=120)
        if process.returncode == 0:
            break
        last_line(errors)
    assert proxy.counts != before
    return json.loads(output)


@pytest.fixture
def lossy_lake(s3_server, s3_bucket, monkeypatch):
    """A lake behind a proxy that executes each put but answers the first one of an object with an error."""
    with FaultProxy(s3_server.endpoint, once={r"^PUT .*(_leases|_versions)/": "lost"}) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.endpoint)
        yield proxy, s3_bucket


def test_a_lease_whose_response_was_lost_is_held(lossy_lake):
    proxy, uri = lossy_lake
    messages: list[str] = []
    started = time.monotonic()
    with Lease(Lake.at(uri, S3Settings()), "t", "first", messages.append) as lease:
        assert lease.number == 1
        lease.check()
    with Lease(Lake.at(uri, S3Settings()), "t", "second", messages.append) as lease:
        assert lease.number == 2
    assert proxy.counts["lost"] >= 2
    assert messages == []
    assert time.monotonic() - started < 30, "it waited for itself"


def test_a_commit_whose_response_was_lost_is_one_commit(lossy_lake):
    proxy, uri = lossy_lake
    home = Lake.at(uri, S3Settings())
    for step in range(1, 4):
        ids = [f"t{number}" for number in range(step * 10)]
        rows_now = pa.Table.from_pylist([{"track_id": track_id, "state": "active"} for track_id in ids], schema=TRACKS)
        home.upsert("tracks", TRACKS, rows_now)
        stored_ids = home.table("tracks").to_table(columns=["track_id"])["track_id"].to_pylist()
        assert sorted(stored_ids) == sorted(ids)
    assert home.table("tracks").version == 4  # created empty, then written three times
    assert proxy.counts["lost"] == 4


def test_a_run_whose_responses_are_lost(music, lossy_lake):
    proxy, uri = lossy_lake
    report = run_json(uri, "index", music, TONELAKE_COMMIT_ROWS="32")
    assert report["embedded"] == TRACK_COUNT
    assert proxy.counts["lost"] > 10
    assert finish_run(uri, music, TRACK_COUNT)["embedded_now"] == 0
