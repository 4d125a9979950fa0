"""The S3 server of the tests is real: it serves s3fs and Lance, and keeps its data when killed."""

from pathlib import Path

import lance
import pyarrow as pa
import pytest
import s3fs
from botocore.exceptions import EndpointConnectionError

from schemas.settings import S3Settings
from tests.seaweed import BUCKET, Seaweed, free_ports


def test_s3fs_round_trip(s3_bucket):
    files = s3fs.S3FileSystem(**S3Settings().fsspec_options())
    files.pipe_file(f"{s3_bucket}/one.bin", b"some bytes")
    assert files.cat_file(f"{s3_bucket}/one.bin") == b"some bytes"
    assert [Path(name).name for name in files.ls(s3_bucket)] == ["one.bin"]
    assert files.info(f"{s3_bucket}/one.bin")["ETag"]


def test_lance_round_trip(s3_bucket):
    options = S3Settings().lance_options()
    table = pa.table({"key": ["a", "b"], "value": [1, 2]})
    lance.write_dataset(table, f"{s3_bucket}/rows.lance", storage_options=options)
    lance.write_dataset(table, f"{s3_bucket}/rows.lance", mode="append", storage_options=options)
    stored = lance.dataset(f"{s3_bucket}/rows.lance", storage_options=options)
    assert (stored.count_rows(), stored.version) == (4, 2)


def test_every_test_has_a_separate_prefix(s3_bucket):
    files = s3fs.S3FileSystem(**S3Settings().fsspec_options())
    assert not files.exists(s3_bucket)


def test_two_servers_run_at_once_and_a_kill_loses_nothing(tmp_path, s3_server):
    with Seaweed(tmp_path / "second") as server:
        server.filesystem().pipe_file(f"{BUCKET}/kept", b"before the kill")
        server.kill()
        with pytest.raises(EndpointConnectionError):
            server.filesystem().cat_file(f"{BUCKET}/kept")
        server.start()
        assert server.filesystem().cat_file(f"{BUCKET}/kept") == b"before the kill"
    assert not s3_server.filesystem().exists(f"{BUCKET}/kept")


def test_free_ports_are_distinct():
    ports = free_ports(5)
    assert len(set(ports)) == 5
    assert all(10_000 < port < 32_768 - 10_000 for port in ports)
