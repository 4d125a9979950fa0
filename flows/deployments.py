"""The flows as Prefect records them: deployed by name, or run by the command line where PREFECT_API_URL is set."""

import os
from dataclasses import asdict
from functools import partial
from typing import Any

# Read when Prefect is imported. A task that fails is on Prefect's page; here one line says what to do.
os.environ.setdefault("PREFECT_LOGGING_LEVEL", "CRITICAL")
os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
os.environ.setdefault("DO_NOT_TRACK", "1")

import pyarrow as pa
from prefect import flow, task
from prefect.artifacts import create_markdown_artifact, create_progress_artifact, update_progress_artifact
from prefect.cache_policies import NO_CACHE

from flows.console.progress import Watch
from flows.console.tables import changes_markdown, coverage_markdown
from flows.evaluation.evaluate import EvaluateRequest
from flows.evaluation.evaluate import evaluate as evaluate_benchmarks
from flows.evaluation.leaderboard import figures_markdown
from flows.export.export import ExportRequest
from flows.export.export import export as export_release
from flows.ingest.index import index_catalogue
from flows.ingest.refresh import RefreshRequest
from flows.ingest.refresh import refresh as refresh_lake
from flows.ingest.report import IndexReport, IndexRequest
from flows.operations.maintain import MaintainRequest, maintained_markdown
from flows.operations.maintain import maintain as maintain_lake
from flows.releases.gate.table import gate_markdown
from flows.releases.promote import PromoteRequest, Promotion
from flows.releases.promote import promote as promote_version
from schemas.settings import Settings

# The lake is the record: Prefect keeps no copies of tables, and hashes none to look for one.
recorded_step = partial(task, cache_policy=NO_CACHE, persist_result=False)


class ArtifactWatch(Watch):
    """A watch that Prefect's page shows too."""

    def __init__(self) -> None:
        super().__init__()
        self._artifact = create_progress_artifact(0.0, key="index-progress", description="tracks embedded")

    def advance(self, outcomes: pa.Table) -> None:
        super().advance(outcomes)
        update_progress_artifact(self._artifact, 100.0 * self.done_share)


@flow(name="index", persist_result=False)
def index(
    sources: list[str],
    lake: str | None = None,
    encoder: str | None = None,
    windows: int | None = None,
    limit: int | None = None,
    retry: bool = False,
    allow_unproven: bool = False,
) -> list[dict[str, Any]]:
    """`tonelake index` as a flow: settings from the environment, but for a lake and encoders that are named here."""
    settings = Settings.given(lake=lake, encoder=encoder, allow_unproven=allow_unproven)
    request = IndexRequest(tuple(sources), windows, limit, retry)
    reports = index_catalogue(request, settings, ArtifactWatch(), recorded_step)
    text = "\n\n".join(map(coverage_markdown, reports))
    create_markdown_artifact(text, key="index-coverage", description="coverage and bill")
    return [asdict(report) for report in reports]


@flow(name="refresh", persist_result=False)
def refresh(
    lake: str | None = None,
    encoder: str | None = None,
    accept_loss: list[str] | None = None,
    allow_unproven: bool = False,
) -> dict[str, Any]:
    """`tonelake refresh` as a flow. Without an encoder every version that the lake holds is kept current."""
    settings = Settings.given(lake=lake, encoder=encoder, allow_unproven=allow_unproven)
    report = refresh_lake(RefreshRequest(tuple(accept_loss or ())), settings, ArtifactWatch(), recorded_step)
    text = [changes_markdown(report), *(coverage_markdown(IndexReport(**counts)) for counts in report["encoders"])]
    create_markdown_artifact("\n\n".join(text), key="refresh-coverage", description="what changed, coverage and bill")
    return report


@flow(name="evaluate", persist_result=False, retries=2, retry_delay_seconds=60)
def evaluate(
    benchmarks: list[str],
    data: str | None = None,
    lake: str | None = None,
    encoders: list[str] | None = None,
    protocols: list[str] | None = None,
    chunks: int | None = None,
    prompt: str | None = None,
    inputs: str = "vectors",
    allow_unproven: bool = False,
) -> list[dict[str, Any]]:
    """`tonelake evaluate` as a flow. A retry finds what was judged already, and computes only the rest."""
    settings = Settings.given(lake=lake, allow_unproven=allow_unproven)
    asked = (tuple(benchmarks), data, tuple(encoders or ()), tuple(protocols or ()), chunks, prompt, inputs)
    rows = evaluate_benchmarks(EvaluateRequest(*asked), settings, ArtifactWatch, recorded_step)
    create_markdown_artifact(figures_markdown(rows), key="evaluate-figures", description="figures and coverage")
    return rows


@flow(name="promote", persist_result=False)
def promote(
    version: str,
    gate: str | None = None,
    interactions: str | None = None,
    reason: str | None = None,
    lake: str | None = None,
) -> Promotion:
    """`tonelake promote` as a flow; a `reason` forces. The gate's table is an artifact, refused or not."""
    request = PromoteRequest(version, gate, interactions, reason)
    done = recorded_step(promote_version)(request, Settings.given(lake=lake), Watch().say)
    create_markdown_artifact(
        gate_markdown(done.title, done.checks), key="promote-gate", description="the gate's table"
    )
    return done


@flow(name="maintain", persist_result=False)
def maintain(lake: str | None = None, retention_days: float | None = None, mend: bool = False) -> list[dict[str, Any]]:
    """`tonelake maintain` as a flow: by default it keeps the versions of as many days as the settings say."""
    settings = Settings.given(lake=lake)
    days = settings.retention_days if retention_days is None else retention_days
    done = maintain_lake(MaintainRequest(days, mend=mend), settings, Watch().say, recorded_step)
    create_markdown_artifact(maintained_markdown(done), key="maintain-tables", description="what was done")
    return [care.row() for care in done]


@flow(name="export", persist_result=False, retries=2, retry_delay_seconds=60)
def export(
    folder: str,
    release: int | None = None,
    since: int | None = None,
    format: str = "parquet",
    replace: bool = True,
    lake: str | None = None,
) -> dict[str, Any]:
    """`tonelake export` as a flow: by default what is live, in place of what it wrote there before.

    A retry goes on with the files that are whole.
    """
    request = ExportRequest(folder, release, since, format)
    done = recorded_step(export_release)(request, Settings.given(lake=lake), Watch().say, replaces=replace)
    told = f"{done['tracks']:,} tracks of release {done['release']} as {format} in {done['folder']}"
    create_markdown_artifact(told, key="export-manifest", description="what was exported, and where it lies")
    return done
