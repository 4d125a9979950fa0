"""The flow as Prefect records it, on Prefect's own test server."""

import asyncio
import os

import pytest

os.environ["PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS"] = "120"

import ray
from prefect.client.orchestration import get_client
from prefect.testing.utilities import prefect_test_harness

from flows.recorded import index

STEPS = {"_listing", "prepare", "register", "plan", "embed_pending", "tend"}


@pytest.fixture(scope="module", autouse=True)
def server():
    with prefect_test_harness(server_startup_timeout=120):
        yield
    ray.shutdown()


async def recorded():
    async with get_client() as client:
        runs = await client.read_flow_runs()
        tasks = await client.read_task_runs()
        artifacts = await client.read_artifacts()
    return runs, tasks, artifacts


def test_a_run_is_recorded_with_its_steps_progress_and_coverage(rendered, tmp_path):
    report = index([str(rendered)], lake=str(tmp_path / "lake"), encoder="fake")
    assert (report["expected"], report["embedded"], report["pending"]) == (6, 6, 0)
    runs, tasks, artifacts = asyncio.run(recorded())
    assert [run.state_name for run in runs] == ["Completed"]
    steps = {task.name.rsplit("-", 1)[0] for task in tasks}
    assert steps >= STEPS, steps
    assert all(task.state_name == "Completed" for task in tasks)
    by_key = {artifact.key: artifact for artifact in artifacts}
    assert by_key["index-progress"].data == 100.0
    assert "| expected | 6 |" in by_key["index-coverage"].data
    assert report["embedding_version"] in by_key["index-coverage"].data
