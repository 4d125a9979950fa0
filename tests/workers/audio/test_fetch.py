"""Every kind of uri gives the same bytes; only faults of the track itself quarantine it."""

import hashlib
import os

import pytest
import s3fs

from schemas.settings import S3Settings
from tests import memory
from workers.audio import fetch as fetch_module
from workers.audio.fetch import fetch
from workers.audio.verdicts import Rejected

DATA = bytes(range(256)) * 100


def read(uri):
    with fetch(str(uri), S3Settings()) as fetched:
        assert fetched.content_sha256 == hashlib.sha256(DATA).hexdigest()
        assert fetched.size == len(DATA)
        fetched.file.seek(10)
        assert fetched.file.read(2) == b"\x0a\x0b"
        fetched.file.seek(0)
        return fetched.file.read(), fetched.source_version


@pytest.fixture(params=[fetch_module.IN_MEMORY_BYTES, 1000], ids=["in memory", "on disk"])
def threshold(request, monkeypatch):
    monkeypatch.setattr(fetch_module, "IN_MEMORY_BYTES", request.param)


@pytest.mark.usefixtures("threshold")
def test_local_path_and_file_uri(tmp_path):
    path = tmp_path / "a é%20.wav"
    path.write_bytes(DATA)
    data, version = read(path)
    assert data == DATA
    assert read(path.as_uri()) == (data, version)
    os.utime(path, (1, 1))
    assert read(path)[1] != version


@pytest.mark.usefixtures("threshold")
def test_object(s3_bucket):
    files = s3fs.S3FileSystem(**S3Settings().fsspec_options())
    uri = f"{s3_bucket}/a.wav"
    files.pipe_file(uri, DATA)
    data, version = read(uri)
    assert data == DATA
    assert version == files.info(uri)["ETag"].strip('"')


BIG = """
import sys
from workers.audio.fetch import fetch
from schemas.settings import S3Settings
with fetch(sys.argv[1], S3Settings()) as fetched:
    print(fetched.size, peak())
"""


def test_a_large_object_is_not_held_in_memory(s3_bucket):
    size = 300 << 20
    files = s3fs.S3FileSystem(**S3Settings().fsspec_options())
    files.pipe_file(f"{s3_bucket}/big.wav", bytes(size))
    read, megabytes = memory.run_and_measure(BIG, f"{s3_bucket}/big.wav")
    assert read == size
    assert megabytes < 220  # the libraries alone take 130


def test_faults_of_the_track_quarantine(tmp_path, s3_bucket):
    (tmp_path / "empty.wav").write_bytes(b"")
    for uri, reason in [
        (tmp_path / "none.wav", "unreadable"),
        (tmp_path, "unreadable"),
        (tmp_path / "empty.wav", "empty"),
        (f"{s3_bucket}/none.wav", "unreadable"),
    ]:
        with pytest.raises(Rejected) as caught, fetch(str(uri), S3Settings()):
            pass
        assert caught.value.reason == reason


def test_a_dead_store_quarantines_nothing(monkeypatch):
    class DeadStore:
        def info(self, path):
            raise ConnectionError(path)

    monkeypatch.setattr(fetch_module, "_locate", lambda uri, _: (DeadStore(), uri))
    with pytest.raises(ConnectionError), fetch("s3://bucket/a.wav", S3Settings()):
        pass


def test_a_pipe_or_a_device_is_rejected_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe.wav")  # opening it waits for a writer forever
    (tmp_path / "zero.wav").symlink_to("/dev/zero")
    for name in ("pipe.wav", "zero.wav"):
        with pytest.raises(Rejected) as caught:
            read(tmp_path / name)
        assert caught.value.reason == "empty"
