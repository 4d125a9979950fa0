"""`tonelake describe`: tempo, key and loudness of tracks that were embedded without them."""

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from flows.console.progress import ProgressReporter
from flows.ingest.cost import CostEstimate
from flows.ingest.dry_run import estimate_cost
from flows.ingest.refresh import LeasedVersion, acquire_leases
from lake.catalogue.descriptions import (
    DescribedRows,
    DescriptionWriter,
    copy_descriptions,
    count_described,
    find_undescribed,
)
from lake.catalogue.encoders import list_encoder_versions
from lake.catalogue.runs import RunRecord, new_run_id
from lake.catalogue.tracks import active_tracks
from lake.embeddings.indexes import compact_and_index
from lake.releases.publish import publish_if_due
from lake.storage.arrow import first_of_each, is_in, same_version
from lake.storage.lake import Lake
from lake.takedowns.takedowns import quarantine_blocked, require_finished
from schemas.descriptions import DESCRIPTION_VERSION
from schemas.encoders import EncoderSpec
from schemas.errors import UserError
from schemas.settings import Settings
from workers.embedding.blocks import total_seconds
from workers.encoders.description import REGISTRATION, SPEC
from workers.executors import describe_tracks

CHANGED = "its file changed or is gone: tonelake refresh"


@dataclass(frozen=True, slots=True)
class DescribeReport:
    """What a run described now, and the rows of each encoder version after it.

    `decoded` files were described now. `pending` counts those that were not, by reason; of these
    the next run tries `unfinished` ones again.
    In the report of a dry run `decoded` is 0 and `cost` says what decoding would take.
    """

    run_id: str | None
    description_version: str
    encoders: tuple[DescribedRows, ...]
    decoded: int
    pending: dict[str, int]
    unfinished: int = 0
    cost: CostEstimate | None = None

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object; the cost is there after a dry run alone."""
        report = asdict(self) | {"encoders": [rows.to_json() for rows in self.encoders]}
        return report if self.cost else {name: value for name, value in report.items() if name != "cost"}


def describe(settings: Settings, progress: ProgressReporter) -> DescribeReport:
    """Describe every embedded content that has no current description.

    Each file is decoded once, and its description is copied to the rows of all versions. The same call finishes a
    killed one. Raises UserError if the lake has no encoder version, or if a takedown is unfinished.
    """
    lake = _open(settings)
    run_id = new_run_id()
    with ExitStack() as stack:
        leased = list(acquire_leases(lake, [], [run_id], progress.log, stack).values())
        blocklist = require_finished(lake)
        record = stack.enter_context(RunRecord(lake, run_id, "describe", None, {}))
        _copy(lake, leased)
        tracks, pending = _find_files(lake, [version.spec for version in leased])
        writer = DescriptionWriter(lake, leased[0].lease, settings)
        decoded, unfinished = 0, 0
        stack.enter_context(progress)
        try:
            for outcomes in _describe_files(tracks, settings, progress):
                outcomes = quarantine_blocked(outcomes, blocklist)
                writer.add(outcomes)
                progress.advance(outcomes)
                failed = outcomes.filter(pc.not_equal(outcomes["outcome"], "embedded"))
                pending.update(pc.coalesce(failed["reason"], failed["message"]).to_pylist())
                decoded += len(outcomes) - len(failed)
                unfinished += pc.sum(pc.equal(failed["outcome"], "pending")).as_py() or 0
        finally:
            writer.flush()  # an interrupt keeps what was computed
        _copy(lake, leased)
        for version in leased:
            compact_and_index(lake, version.spec)
            publish_if_due(lake, {run_id: version.spec}, "describe", progress.log)
        rows = tuple(count_described(lake, version.spec) for version in leased)
        report = DescribeReport(run_id, DESCRIPTION_VERSION, rows, decoded, dict(pending), unfinished)
        record.finish(report.to_json())
    return report


def preview(settings: Settings) -> DescribeReport:
    """Return what `describe` would decode, and what that would take; write nothing."""
    lake = _open(settings)
    specs = [version.spec for version in list_encoder_versions(lake)]
    tracks, pending = _find_files(lake, specs)
    if len(tracks):
        pending["to decode"] = len(tracks)
    rows = tuple(count_described(lake, spec) for spec in specs)
    cost = estimate_cost(lake, REGISTRATION, SPEC, total_seconds(tracks), settings)
    return DescribeReport(None, DESCRIPTION_VERSION, rows, 0, dict(pending), cost=cost)


def _open(settings: Settings) -> Lake:
    """Return the lake. Raises UserError if nothing was ever embedded in it."""
    lake = Lake.at(settings.lake, settings.s3)
    lake.require_table_names()
    if not list_encoder_versions(lake):
        raise UserError(f"{lake.uri} holds no tracks to describe: run `tonelake index SOURCE` first")
    return lake


def _copy(lake: Lake, leased: list[LeasedVersion]) -> None:
    for version in leased:
        copy_descriptions(lake, version.spec, version.lease, find_undescribed(lake, version.spec))


def _find_files(lake: Lake, specs: list[EncoderSpec]) -> tuple[pa.Table, Counter[str]]:
    """Return the registry row of a file for each undescribed content.

    Contents without such a file are counted by reason.
    """
    tracks = active_tracks(lake)
    undescribed = pa.concat_tables([find_undescribed(lake, spec) for spec in specs])
    readable = undescribed.filter(same_version(undescribed, tracks))
    wanted = first_of_each(readable, "content_sha256")["track_id"]
    without_file = pc.count_distinct(undescribed["content_sha256"]).as_py() - len(wanted)
    return tracks.filter(is_in(tracks["track_id"], wanted)), Counter({CHANGED: without_file} if without_file else {})


def _describe_files(tracks: pa.Table, settings: Settings, progress: ProgressReporter) -> Iterator[pa.Table]:
    """Yield the outcomes of decoding these tracks; only their descriptions are of use."""
    if not len(tracks):
        progress.log("nothing to describe: every embedded track has its description")
        return
    progress.expect(len(tracks), f"about {total_seconds(tracks) / 3600:.1f} h of audio", "describe")
    yield from describe_tracks(tracks, settings)
