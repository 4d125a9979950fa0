"""The jobs as Prefect flows.

infra/prefect.yaml deploys them by name; the command line runs them if PREFECT_API_URL is set.
"""

import schemas.environment  # noqa: F401 - before Prefect

# isort: split
import json
from collections.abc import Callable
from functools import partial
from typing import Any

import pyarrow as pa
from prefect import flow, task
from prefect.artifacts import create_markdown_artifact, create_progress_artifact, update_progress_artifact
from prefect.cache_policies import NO_CACHE

from flows.console.progress import ProgressReporter
from flows.evaluation.evaluate import evaluate as evaluate_benchmarks
from flows.evaluation.figures import EvaluatedFigure
from flows.evaluation.leaderboard import figures_markdown
from flows.evaluation.request import EvaluateRequest
from flows.export.export import ExportRequest, write_export
from flows.ingest.index import index_catalogue
from flows.ingest.refresh import RefreshRequest
from flows.ingest.refresh import refresh as refresh_lake
from flows.ingest.refresh_report import RefreshReport, changes_markdown
from flows.ingest.report import IndexReport, IndexRequest, coverage_markdown
from flows.map.make_map import MapRequest, make_map
from flows.operations.maintain import MaintainRequest, maintenance_markdown
from flows.operations.maintain import maintain as maintain_lake
from flows.releases.gate.table import gate_markdown
from flows.releases.promote import PromoteRequest, Promotion
from flows.releases.promote import promote as promote_version
from schemas.map import LANDMARKS, MapReport, Method
from schemas.settings import Settings

# Results are in the lake: Prefect neither stores tables nor hashes them to look for a cached result.
prefect_task = partial(task, cache_policy=NO_CACHE, persist_result=False)


class ArtifactProgressReporter(ProgressReporter):
    """A progress reporter whose progress is also on Prefect's page."""

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
    max_windows: int | None = None,
    limit: int | None = None,
    retry: bool = False,
    allow_unpinned: bool = False,
) -> list[IndexReport]:
    """Run `tonelake index` as a flow.

    The environment gives the settings, except for a lake and encoders that are named here.
    """
    settings = Settings.from_options(lake=lake, encoder=encoder, allow_unpinned=allow_unpinned)
    request = IndexRequest(tuple(sources), max_windows, limit, retry)
    reports = index_catalogue(request, settings, ArtifactProgressReporter(), prefect_task)
    text = "\n\n".join(map(coverage_markdown, reports))
    create_markdown_artifact(text, key="index-coverage", description="coverage and cost")
    return reports


@flow(name="refresh", persist_result=False)
def refresh(
    lake: str | None = None,
    encoder: str | None = None,
    accept_loss: list[str] | None = None,
    allow_unpinned: bool = False,
) -> RefreshReport[IndexReport]:
    """Run `tonelake refresh` as a flow; without an encoder, for every version in the lake."""
    settings = Settings.from_options(lake=lake, encoder=encoder, allow_unpinned=allow_unpinned)
    report = refresh_lake(RefreshRequest(tuple(accept_loss or ())), settings, ArtifactProgressReporter(), prefect_task)
    text = [changes_markdown(report), *map(coverage_markdown, report.encoders)]
    create_markdown_artifact("\n\n".join(text), key="refresh-coverage", description="changes, coverage and cost")
    return report


@flow(name="evaluate", persist_result=False, retries=2, retry_delay_seconds=60)
def evaluate(
    benchmarks: list[str],
    data: str | None = None,
    lake: str | None = None,
    encoders: list[str] | None = None,
    protocols: list[str] | None = None,
    max_windows: int | None = None,
    prompt: str | None = None,
    inputs: str = "vectors",
    allow_unpinned: bool = False,
) -> list[EvaluatedFigure]:
    """Run `tonelake evaluate` as a flow; a retry reuses the finished evaluations."""
    settings = Settings.from_options(lake=lake, allow_unpinned=allow_unpinned)
    request = EvaluateRequest(
        benchmarks=tuple(benchmarks),
        data=data,
        encoders=tuple(encoders or ()),
        protocols=tuple(protocols or ()),
        max_windows=max_windows,
        prompt=prompt,
        inputs=inputs,
    )
    figures = evaluate_benchmarks(request, settings, ArtifactProgressReporter, prefect_task)
    create_markdown_artifact(figures_markdown(figures), key="evaluate-figures", description="figures and coverage")
    return figures


@flow(name="promote", persist_result=False)
def promote(
    version: str,
    gate: str | None = None,
    interactions: str | None = None,
    reason: str | None = None,
    lake: str | None = None,
) -> Promotion:
    """Run `tonelake promote` as a flow; a `reason` forces the release.

    The gate's table becomes an artifact, whether the version is published or refused.
    """
    request = PromoteRequest(version, gate, interactions, reason)
    promotion = prefect_task(promote_version)(request, Settings.from_options(lake=lake), ProgressReporter().log)
    text = gate_markdown(promotion.title, promotion.checks)
    create_markdown_artifact(text, key="promote-gate", description="the gate's table")
    return promotion


@flow(name="maintain", persist_result=False)
def maintain(
    lake: str | None = None, retention_days: float | None = None, repair: bool = False
) -> list[dict[str, Any]]:
    """Run `tonelake maintain` as a flow; `retention_days` is by default that of the settings."""
    settings = Settings.from_options(lake=lake)
    days = settings.retention_days if retention_days is None else retention_days
    results = maintain_lake(MaintainRequest(days, repair=repair), settings, ProgressReporter().log, prefect_task)
    create_markdown_artifact(maintenance_markdown(results), key="maintain-tables", description="what was done")
    return [result.row() for result in results]


@flow(name="export", persist_result=False, retries=2, retry_delay_seconds=60)
def export(
    folder: str,
    release: int | None = None,
    since: int | None = None,
    format: str = "parquet",
    replace: bool = True,
    lake: str | None = None,
    embedding_version: str | None = None,
    k: int | None = None,
    available_on: str | None = None,
    territory: str | None = None,
) -> dict[str, Any]:
    """Run `tonelake export` as a flow; by default, export the live release.

    It replaces an earlier export in the folder. A retry keeps the files that are complete.
    """
    request = ExportRequest(folder, release, since, format, embedding_version, k, available_on, territory)
    result = prefect_task(write_export)(
        request, Settings.from_options(lake=lake), ProgressReporter().log, replaces=replace
    )
    name = f"release {result['release']}" if result["release"] else "no release"
    text = f"{result['tracks']:,} tracks of {name} as {format} in {result['folder']}"
    create_markdown_artifact(text, key="export-manifest", description="what was exported, and where it is")
    return result


@flow(name="map_tracks", persist_result=False)
def map_tracks(
    lake: str | None = None,
    encoder: str | None = None,
    landmarks: int = LANDMARKS,
    renew: bool = False,
    method: Method | None = None,
) -> MapReport:
    """Run `tonelake map` as a flow; by default, of the live release."""
    settings, request = Settings.from_options(lake=lake, encoder=encoder), MapRequest(landmarks, renew, method)
    report = make_map(request, settings, ProgressReporter().log, prefect_task)
    text = f"{report.tracks:,} tracks, {report.placed:,} of them placed now, by {report.method.upper()}"
    create_markdown_artifact(text, key="map-tracks", description="what lies on the map")
    return report


_FLOWS = (index, refresh, evaluate, promote, maintain, export, map_tracks)
_DEPLOYED = {deployed.name: deployed for deployed in _FLOWS}


def record_job(name: str, job: Callable[[], Any], parameters: dict[str, Any]) -> Any:
    """Run a job of the command line as a flow, and return its result.

    A deployed flow of that name runs with the parameters. Of the other jobs Prefect sees parameters, state and times.
    Nothing is retried: the user sees the error.
    """
    if deployed := _DEPLOYED.get(name):
        return deployed.with_options(retries=0)(**parameters)

    @flow(name=name, persist_result=False)
    def recorded(parameters: dict[str, Any]) -> Any:  # noqa: ARG001 - Prefect shows them
        return job()

    return recorded(json.loads(json.dumps(parameters, default=str)))
