"""Fixtures for all tests: a real S3 server, a separate prefix in it, and a small rendered catalogue."""

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

# Set before anything imports Ray or Prefect: tests send no telemetry.
# One thread a process: two threads on two busy cores wait for each other.
os.environ.update(
    OMP_NUM_THREADS="1", RAY_USAGE_STATS_ENABLED="0", DO_NOT_TRACK="1", PREFECT_SERVER_ANALYTICS_ENABLED="false"
)

from tests.odd_lake import OddLake, build_odd_lake
from tests.seaweed import BUCKET, Seaweed
from workers.synthetic_music.demo.catalogue import render_catalogue


@pytest.fixture(scope="session", autouse=True)
def user_settings(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A folder for what tests allow: not that of the user who runs them."""
    os.environ["TONELAKE_CONFIG"] = str(tmp_path_factory.mktemp("config"))


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seaweed]:
    """One SeaweedFS for the session; tests that kill servers start another."""
    with Seaweed(tmp_path_factory.mktemp("seaweed")) as server:
        yield server


@pytest.fixture
def s3_bucket(s3_server: Seaweed, monkeypatch: pytest.MonkeyPatch) -> str:
    """An s3:// prefix that no other test writes to; the AWS_* variables are set for it."""
    for name, value in s3_server.environment().items():
        monkeypatch.setenv(name, value)
    return f"s3://{BUCKET}/{uuid.uuid4().hex}"


@pytest.fixture(scope="session")
def odd_lake(tmp_path_factory: pytest.TempPathFactory) -> OddLake:
    """A lake with every odd thing in it; do not change its tracks."""
    return build_odd_lake(tmp_path_factory.mktemp("odd"))


@pytest.fixture(scope="session")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of six pieces of 20 s (two wav, two flac, two ogg) and their manifest.csv; do not write to it."""
    return render_catalogue(tmp_path_factory.mktemp("rendered"), count=6, seconds=20).parent
