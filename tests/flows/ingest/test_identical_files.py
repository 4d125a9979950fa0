"""Identical objects in a real store: the first is decoded, the others are copied, even after a kill."""

import signal
import subprocess
import sys

import numpy as np
import pytest

from flows.console.progress import ProgressReporter
from flows.ingest.dry_run import estimates
from flows.ingest.index import index_catalogue
from flows.ingest.refresh import RefreshRequest, refresh
from flows.ingest.report import IndexRequest
from flows.operations.doctor import examine_lakes
from lake.storage.lake import Lake
from schemas.settings import S3Settings, Settings
from schemas.tables import embeddings_table, windows_table
from tests.audio_files import sndfile
from tests.cli import environment
from tests.flows.catalogue import run_in_process
from workers.encoders.fake import SPEC

KILLED = """
import os, signal, sys
import pytest
import flows.ingest.embed
from tests.flows.catalogue import run_in_process
from tests.flows.ingest.test_identical_files import index

def kill(*_):
    os.kill(os.getpid(), signal.SIGKILL)

flows.ingest.embed.Repeats.copy = kill
run_in_process([], pytest.MonkeyPatch())
index(*sys.argv[1:])
"""


def sound(seed):
    noise = 0.3 * np.random.default_rng(seed).standard_normal((1, 32_000))
    return sndfile(noise.astype(np.float32), rate=16_000)


def index(uri, *sources, encoder="fake", **options):
    settings = Settings(lake=uri, encoder=encoder)
    reports = index_catalogue(IndexRequest(sources, **options), settings, ProgressReporter())
    for report in reports:
        counts = report.coverage
        assert counts.expected == counts.embedded + counts.quarantined + counts.pending
    return reports


@pytest.fixture
def bucket(s3_server, s3_bucket):
    """A function that writes objects below an s3 prefix and returns the prefix."""
    files = s3_server.filesystem()

    def put(**objects):
        for name, data in objects.items():
            files.pipe_file(f"{s3_bucket}/music/{name}.wav", data)
        return f"{s3_bucket}/music"

    return put


@pytest.fixture
def decoded(monkeypatch):
    names = []
    run_in_process(names, monkeypatch)
    return names


@pytest.fixture
def uri(tmp_path):
    return str(tmp_path / "lake")


def table(uri, name):
    lake = Lake.at(uri, S3Settings())
    files = {row["track_id"]: row["uri"] for row in lake.table("tracks").to_table().to_pylist()}
    rows = lake.table(name).to_table().to_pylist()
    return {files[row["track_id"]].rsplit("/", 1)[1]: row for row in rows}


def require_equal_rows(uri, first, second, *ignored_columns):
    for name in (embeddings_table(SPEC), windows_table(SPEC)):
        rows = table(uri, name)
        ignored = dict.fromkeys(["track_id", *ignored_columns])
        assert rows[first].keys() >= {"track_id", "source_version"}
        assert rows[first] | ignored == rows[second] | ignored


def test_only_one_of_identical_objects_is_decoded(bucket, decoded, uri):
    source = bucket(a=sound(1), b=sound(1), c=sound(2))
    plan = estimates(IndexRequest((source,)), Settings(lake=uri, encoder="fake"), print)[0]
    (report,) = index(uri, source)
    assert len(decoded) == 2
    assert "c.wav" in decoded
    assert (report.coverage.embedded, report.embedded_now, report.copied, report.audio_seconds) == (3, 3, 1, 4.0)
    assert (plan.would_embed, plan.cost.estimated_audio_seconds) == (3, 0.7)  # of two files, by their sizes
    require_equal_rows(uri, "a.wav", "b.wav")
    assert (
        table(uri, embeddings_table(SPEC))["a.wav"]["vector"] != table(uri, embeddings_table(SPEC))["c.wav"]["vector"]
    )
    assert examine_lakes(Settings(lake=uri)) == []


def test_later_copies_are_not_even_fetched(bucket, decoded, uri):
    source = bucket(a=sound(1), b=sound(2))
    index(uri, source)
    bucket(c=sound(1), d=sound(1))
    del decoded[:]
    request = IndexRequest((source,))
    assert estimates(request, Settings(lake=uri, encoder="fake"), print)[0].cost.estimated_audio_seconds == 0
    (report,) = index(uri, source)
    assert decoded == []
    assert (report.embedded_now, report.copied, report.audio_seconds) == (2, 2, 0)
    for name in ("c.wav", "d.wav"):
        require_equal_rows(uri, "a.wav", name, "run_id")
    assert index(uri, source)[0].embedded_now == 0
    bucket(e=sound(2))
    (report,) = refresh(RefreshRequest(), Settings(lake=uri), ProgressReporter()).encoders
    assert (decoded, report.coverage.embedded, report.copied) == ([], 5, 1)
    assert examine_lakes(Settings(lake=uri)) == []


def test_a_replaced_object_is_not_copied_from(bucket, decoded, uri):
    source = bucket(a=sound(1))
    index(uri, source)
    bucket(a=sound(3), b=sound(1))
    del decoded[:]
    (report,) = index(uri, source)
    assert (sorted(decoded), report.copied, report.coverage.embedded) == (["a.wav", "b.wav"], 0, 2)
    rows = table(uri, embeddings_table(SPEC))
    assert rows["a.wav"]["vector"] != rows["b.wav"]["vector"]


def test_the_copies_are_decoded_too_if_the_first_was_not_embedded(bucket, decoded, uri):
    (report,) = index(uri, bucket(a=b"no sound at all", b=b"no sound at all", c=sound(1)))
    assert sorted(decoded) == ["a.wav", "b.wav", "c.wav"]
    assert (report.coverage.quarantined, report.copied, report.coverage.embedded) == (2, 0, 1)


def test_several_encoders_and_a_limit(bucket, decoded, uri):
    source = bucket(a=sound(1), b=sound(1), c=sound(1))
    assert [report.copied for report in index(uri, source, limit=1)] == [0]
    del decoded[:]
    reports = index(uri, source, encoder="fake,musicnn", max_windows=1)
    assert [(report.coverage.embedded, report.copied) for report in reports] == [(3, 2), (3, 2)]
    assert len(decoded) == 1  # by both encoders: one window at most is another version than all
    reports = index(uri, source, encoder="fake")
    assert [(report.embedded_now, report.copied) for report in reports] == [(2, 2)]
    assert len(decoded) == 1


def test_multipart_objects(s3_server, s3_bucket, decoded, uri):
    files = s3_server.filesystem(read_timeout=30)
    data = sndfile((0.3 * np.random.default_rng(4).standard_normal((1, 6_000_000))).astype(np.float32), rate=44_100)
    for name in ("a", "b"):
        with files.open(f"{s3_bucket}/music/{name}.wav", "wb", block_size=5 << 20) as file:
            for start in range(0, len(data), 6 << 20):
                file.write(data[start : start + (6 << 20)])
    files.pipe_file(
        f"{s3_bucket}/music/whole.wav", data
    )  # one part, so another ETag: the listing does not show that it is the same
    (report,) = index(uri, f"{s3_bucket}/music")
    versions = {name: row["source_version"] for name, row in table(uri, "tracks").items()}
    assert versions["a.wav"].endswith("-2")
    assert versions["a.wav"] == versions["b.wav"] != versions["whole.wav"]
    assert (report.copied, len(decoded)) == (1, 2)
    contents = {row["content_sha256"] for row in table(uri, embeddings_table(SPEC)).values()}
    assert len(contents) == 1


def test_a_run_killed_between_decoding_and_copying(bucket, decoded, uri):
    source = bucket(a=sound(1), b=sound(1), c=sound(2), d=sound(2))
    environ = environment(TONELAKE_COMMIT_ROWS="1")  # the decoded tracks are committed at once
    killed = subprocess.run([sys.executable, "-c", KILLED, uri, source], env=environ, capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    assert len(table(uri, embeddings_table(SPEC))) == 2
    (report,) = index(uri, source)
    assert decoded == []
    assert (report.coverage.embedded, report.embedded_now, report.copied) == (4, 2, 2)
    require_equal_rows(uri, "a.wav", "b.wav", "run_id")
    require_equal_rows(uri, "c.wav", "d.wav", "run_id")
    assert {finding.check for finding in examine_lakes(Settings(lake=uri))} <= {"lease", "run"}
