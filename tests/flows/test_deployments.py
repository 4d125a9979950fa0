"""The Prefect flows, on Prefect's own test server."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

os.environ["PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS"] = "120"

import ray
from prefect.client.orchestration import get_client
from prefect.context import get_settings_context
from prefect.testing.utilities import prefect_test_harness

from flows.deployments import evaluate, export, index, maintain, promote, refresh
from lake.storage.lake import Lake
from schemas.settings import S3Settings
from schemas.tables import embeddings_table
from tests.cli import run, run_here
from tests.flows.catalogue import write_sound
from tests.flows.labelled import write_labelled_folder
from tests.flows.released import publish_release
from tests.flows.releases.test_promote import LIVE, SOUND, write_version
from tests.lake.rows import SPEC, make_small_lake

ROOT = Path(__file__).parents[2]
PREFECT_FILE = ["--prefect-file", "infra/prefect.yaml"]
STEPS = {"list_tracks", "fetch_weights", "register_tracks", "sync_metadata", "make_plan", "embed_pending"}
STEPS |= {"compact_and_index", "publish_if_live"}


@pytest.fixture(scope="module", autouse=True)
def server():
    with prefect_test_harness(server_startup_timeout=120):
        yield
    ray.shutdown()


async def read_records():
    async with get_client() as client:
        runs = await client.read_flow_runs()
        tasks = await client.read_task_runs()
        artifacts = await client.read_artifacts()
    return runs, tasks, artifacts


async def read_deployments():
    async with get_client() as client:
        return await client.read_deployments()


def test_a_run_is_recorded_with_its_steps_progress_and_coverage(rendered, tmp_path):
    (report,) = index([str(rendered)], lake=str(tmp_path / "lake"), encoder="fake")
    assert (report.coverage.expected, report.coverage.embedded, report.coverage.pending) == (6, 6, 0)
    runs, tasks, artifacts = asyncio.run(read_records())
    assert [run.state_name for run in runs] == ["Completed"]
    steps = {task.name.rsplit("-", 1)[0] for task in tasks}
    assert steps >= STEPS, steps
    assert all(task.state_name == "Completed" for task in tasks)
    by_key = {artifact.key: artifact for artifact in artifacts}
    assert by_key["index-progress"].data == 100.0
    assert "| expected | 6 |" in by_key["index-coverage"].data
    assert report.embedding_version in by_key["index-coverage"].data
    assert f"{report.cost.core_seconds:,.0f} core seconds" in by_key["index-coverage"].data


def test_a_maintenance_is_recorded_with_what_it_did(tmp_path, capsys):
    lake = make_small_lake(str(tmp_path / "lake"), commits=4)
    rows = maintain(lake=lake.uri)
    assert capsys.readouterr().out == ""  # standard output is for the document of --json
    runs, _, artifacts = asyncio.run(read_records())
    assert [run.state_name for run in runs if run.parameters.get("lake") == lake.uri] == ["Completed"]
    (text,) = [artifact.data for artifact in artifacts if artifact.key == "maintain-tables"]
    assert any("compacted" in row["done"] and row["done"] in text for row in rows)


def test_an_export_is_recorded_and_replaces_the_earlier_one(tmp_path):
    lake = make_small_lake(str(tmp_path / "lake"))
    for tracks in (12, 11):
        publish_release(lake)
        result = export(str(tmp_path / "out"), lake=lake.uri)
        assert (result["done"], result["tracks"]) == (True, tracks)
        lake.table(embeddings_table(SPEC)).delete("track_id = 't0001'")
    runs, _, artifacts = asyncio.run(read_records())
    assert {run.state_name for run in runs if run.parameters.get("lake") == lake.uri} == {"Completed"}
    texts = [artifact.data for artifact in artifacts if artifact.key == "export-manifest"]
    assert any(text.startswith("11 tracks of release 2 as parquet") for text in texts)


def test_a_promotion_is_recorded_with_the_gates_table(tmp_path):
    lake = Lake.at(str(tmp_path / "lake"), S3Settings())
    write_version(lake, LIVE, SOUND)
    promotion = promote(LIVE.embedding_version, lake=lake.uri)
    assert promotion.published.number == 1
    _, _, artifacts = asyncio.run(read_records())
    (table,) = [artifact.data for artifact in artifacts if artifact.key == "promote-gate"]
    assert "| coverage | passed | 1.000 | 0.995 | nothing is live to compare with: 200 tracks |" in table


def test_an_evaluation_is_recorded_and_known_results_are_reused(tmp_path):
    folder, lake = write_labelled_folder(tmp_path / "clips"), str(tmp_path / "lake")
    options = {"data": str(folder), "lake": lake, "encoders": ["fake"], "protocols": ["zero-shot"]}
    rows = evaluate(["folder"], **options)
    assert {figure.row.metric for figure in rows} == {"roc_auc", "pr_auc"}
    repeated = evaluate(["folder"], **options)
    assert all(figure.unchanged for figure in repeated)
    runs, tasks, artifacts = asyncio.run(read_records())
    assert [run.state_name for run in runs if run.flow_id and run.parameters.get("benchmarks")] == ["Completed"] * 2
    assert sum(task.name.startswith("evaluate") for task in tasks) == 1
    (figures,) = [artifact.data for artifact in artifacts if artifact.key == "evaluate-figures"][-1:]
    assert "12 of 12" in figures


def test_a_refresh_is_recorded_with_what_changed(tmp_path):
    music, lake = tmp_path / "music", str(tmp_path / "lake")
    write_sound(music / "a.wav", 0)
    index([str(music)], lake=lake, encoder="fake")
    (music / "a.wav").rename(music / "b.wav")
    report = refresh(lake=lake)
    (encoder,) = report.encoders
    assert (report.changes.moved, encoder.coverage.embedded, encoder.embedded_now) == (1, 1, 0)
    _, tasks, artifacts = asyncio.run(read_records())
    assert {task.name.rsplit("-", 1)[0] for task in tasks} >= {"compute_diff", "apply_changes", "sync_metadata"}
    (text,) = [artifact.data for artifact in artifacts if artifact.key == "refresh-coverage"]
    assert "| moved | 1 |" in text
    assert "| expected | 1 |" in text


def test_every_command_that_writes_is_recorded(tmp_path):
    """A flow that is deployed keeps its steps; of other jobs the parameters and the state are recorded."""
    lake = make_small_lake(str(tmp_path / "lake"))
    publish_release(lake)
    lake.table(embeddings_table(SPEC)).delete("track_id = 't0001'")
    publish_release(lake)
    api = {"PREFECT_API_URL": get_settings_context().settings.api.url or ""}
    for command in (
        ["rollback", "1"],
        ["takedown", "--yes", "t0002", "--receipt", tmp_path / "receipt.json"],
        ["export", tmp_path / "out"],
        ["export", tmp_path / "near", "--format", "neighbours", "-k", "2"],
        ["maintain", "--retention", "3"],
    ):
        run_here("--lake", lake.uri, "--json", *command, **api)
    refused = run(
        "--lake", lake.uri, "rollback", "9", code=2, **api
    )  # in a process of its own: Prefect logs nothing there
    assert refused.stderr.splitlines()[-1].startswith("tonelake: there is no release 9")
    runs, _, _ = asyncio.run(read_records())
    recorded = [(run.state_name, run.parameters.get("parameters", run.parameters)) for run in runs]
    recorded = [(state, parameters) for state, parameters in recorded if parameters.get("lake") == lake.uri]
    assert len(recorded) == 6
    assert [parameters["release"] for state, parameters in recorded if state == "Failed"] == [9]
    completed = [parameters for state, parameters in recorded if state == "Completed"]
    assert {"lake": lake.uri, "release": 1} in completed
    assert [parameters["tracks"] for parameters in completed if "tracks" in parameters] == [["t0002"]]
    assert [parameters["retention_days"] for parameters in completed if "retention_days" in parameters] == [3.0]


def test_flows_are_deployed_as_declared():
    """Deploy infra/prefect.yaml with Prefect's own command."""
    prefect = [sys.executable, "-m", "prefect", "--no-prompt"]
    server = os.environ | {"PREFECT_API_URL": get_settings_context().settings.api.url or ""}
    for command in (["work-pool", "create", "tonelake", "--type", "process"], ["deploy", "--all", *PREFECT_FILE]):
        process = subprocess.run(
            [*prefect, *command], cwd=ROOT, env=server, capture_output=True, text=True, check=False
        )
        assert process.returncode == 0, process.stdout + process.stderr
    deployed = {deployment.name: deployment for deployment in asyncio.run(read_deployments())}
    times = {"nightly": "0 3 * * *", "nightly-refresh": "0 1 * * *", "weekly": "0 5 * * 0"}
    unscheduled = ["nightly-export", "on-request", "gated", "renewed"]
    assert deployed.keys() == {*times, *unscheduled}
    assert [deployed[name].schedules for name in unscheduled] == [[], [], [], []]
    for name, cron in times.items():
        declared = deployed[name]
        assert declared.global_concurrency_limit.limit == 1
        (schedule,) = declared.schedules
        assert (schedule.schedule.cron, schedule.schedule.timezone) == (cron, "UTC")
        assert set(declared.parameters) <= set(declared.parameter_openapi_schema["properties"])
    assert deployed["nightly"].parameters["benchmarks"] == ["rendered", "rendered-instruments"]
    assert deployed["weekly"].entrypoint == "flows/deployments.py:maintain"
