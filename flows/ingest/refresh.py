"""The nightly job, `tonelake refresh`: compare the sources with the lake, apply the changes, embed."""

import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace

import pyarrow as pa
import pyarrow.compute as pc

from flows.console.progress import ProgressReporter, TaskWrapper, run_directly
from flows.ingest.dry_run import estimate_cost, split_missing
from flows.ingest.embed import IndexJob, shards
from flows.ingest.index import fetch_weights, finish_jobs, index_shard, publish_if_live, start_job
from flows.ingest.refresh_report import EncoderReport, RefreshReport
from flows.ingest.report import IndexReport, RunEstimate
from flows.ingest.source_diff import SourceDiff, compute_diff
from lake.catalogue.descriptions import sync_descriptions
from lake.catalogue.encoders import list_encoder_versions
from lake.catalogue.identity import add_aliases
from lake.catalogue.plan import make_plan
from lake.catalogue.runs import RunRecord, new_run_id
from lake.catalogue.sources import register_sources
from lake.catalogue.tracks import active_tracks, write_tracks
from lake.embeddings.reuse import from_vanished, tracks_needing_audio
from lake.embeddings.stale import examine_rows, find_lost, record_stale
from lake.embeddings.sync import drop_returned, move_inactive, sync_metadata, update_source_version
from lake.releases.publish import publish_if_due
from lake.sources.listing import source_name
from lake.storage.arrow import is_in, string_column
from lake.storage.filters import in_clauses
from lake.storage.lake import Lake
from lake.storage.lease import Lease
from schemas.encoders import EncoderSpec
from schemas.errors import UserError
from schemas.log import Log
from schemas.runs import Coverage
from schemas.settings import Settings
from schemas.tables import embeddings_table
from schemas.tracks import TRACKS
from workers.embedding.blocks import total_seconds
from workers.encoders.base.registration import EncoderRegistration
from workers.encoders.registry import find_by_spec, matches_version, require_allowed, require_runnable


@dataclass(frozen=True, slots=True)
class RefreshRequest:
    """`accept_loss` names sources that may lose any share of their tracks, or be gone."""

    accept_loss: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LeasedVersion:
    """An encoder version of the lake, with the lease of its table."""

    spec: EncoderSpec
    lease: Lease


def refresh(
    request: RefreshRequest, settings: Settings, progress: ProgressReporter, as_task: TaskWrapper = run_directly
) -> RefreshReport[IndexReport]:
    """Bring the lake up to date with its sources.

    The same call finishes a killed refresh. Returns the counts of changes, and a report for each version that was kept
    current. Raises UserError as `compute_diff` and `current_specs` do.
    """
    started = time.monotonic()
    lake = Lake.at(settings.lake, settings.s3)
    current = current_specs(lake, settings, progress.log)
    run_ids = [new_run_id() for _ in current]
    with ExitStack() as stack:
        leased = acquire_leases(lake, current, run_ids, progress.log, stack)
        specs = [version.spec for version in leased.values()]
        diff = as_task(compute_diff)(lake, specs, request.accept_loss, settings)
        for line in diff.warnings:
            progress.log(line)
        parameters = asdict(request) | {"sources": list(diff.sources)}
        records = [
            stack.enter_context(RunRecord(lake, run_id, "refresh", spec, parameters))
            for run_id, spec in zip(run_ids, current, strict=True)
        ]
        fetch_weights(map(find_by_spec, current), settings, progress, as_task)
        as_task(apply_changes)(lake, leased, diff)

        stack.enter_context(progress)
        jobs = [
            start_job(lake, spec, run_id, leased[embeddings_table(spec)].lease, record, settings)
            for run_id, spec, record in zip(run_ids, current, records, strict=True)
        ]
        not_current = [leased[name] for name in leased.keys() - {embeddings_table(spec) for spec in current}]
        for shard in shards(active_tracks(lake), settings.shard_tracks):
            for version in not_current:
                as_task(sync_metadata)(lake, version.spec, version.lease, shard)
            index_shard(jobs, lake, shard, settings, progress, as_task)

        if request.accept_loss:
            as_task(_drop_lost)(lake, jobs, not_current, list(map(source_name, request.accept_loss)))
        counts = asdict(diff.changes) | {"skipped_names": diff.skipped_names}
        reports = finish_jobs(jobs, lake, counts, started, as_task, settings)
        for version in leased.values():
            drop_returned(lake, version.spec, version.lease)
        for version in not_current:
            as_task(sync_descriptions)(lake, version.spec, version.lease)
            as_task(record_stale)(lake, version.spec, version.lease)
        as_task(publish_if_live)(lake, jobs, "refresh", progress)
        for version in not_current:  # one of them may be live: readers must see which tracks left or moved
            as_task(publish_if_due)(lake, {run_ids[0]: version.spec}, "refresh", progress.log)
    return _build_report(diff, reports)


def _drop_lost(lake: Lake, jobs: list[IndexJob], others: list[LeasedVersion], sources: list[str]) -> None:
    """Delete stale rows of missing or refused files in the sources whose loss was accepted."""

    def lost_tracks(spec: EncoderSpec) -> list[str]:
        lost = find_lost(lake, spec, examine_rows(lake, spec).stale)
        track_ids: list[str] = lost["track_id"].filter(is_in(lost["source"], string_column(sources))).to_pylist()
        return track_ids

    for job in jobs:
        job.committer.delete_embedded(lost_tracks(job.spec))
    for version in others:
        for condition in in_clauses("track_id", lost_tracks(version.spec)):
            table = lake.table(embeddings_table(version.spec))
            version.lease.check()
            table.delete(condition)


def preview_refresh(request: RefreshRequest, settings: Settings, log: Log) -> RefreshReport[RunEstimate]:
    """Return what `refresh` would change and embed, and what that would take; write nothing."""
    lake = Lake.at(settings.lake, settings.s3)
    current = current_specs(lake, settings, log)
    specs = [version.spec for version in list_encoder_versions(lake)]
    diff = compute_diff(lake, specs, request.accept_loss, settings)
    for line in diff.warnings:
        log(line)
    changing = pa.chunked_array(diff.vanished["track_id"].chunks + diff.rows["track_id"].chunks, pa.string())
    tracks = active_tracks(lake) if lake.find_table("tracks") is not None else diff.rows.slice(0, 0)
    tracks = tracks.filter(pc.invert(is_in(tracks["track_id"], changing)))
    tracks = pa.concat_tables([tracks, diff.rows]).sort_by("track_id")
    return _build_report(diff, [_preview(lake, spec, tracks, diff, settings) for spec in current])


def _build_report(diff: SourceDiff, encoders: list[EncoderReport]) -> RefreshReport[EncoderReport]:
    return RefreshReport(
        sources=tuple(diff.sources),
        changes=diff.changes,
        listing_seconds=round(diff.listing_seconds, 1),
        planning_seconds=round(diff.planning_seconds, 1),
        encoders=tuple(encoders),
    )


def _preview(lake: Lake, spec: EncoderSpec, tracks: pa.Table, diff: SourceDiff, settings: Settings) -> RunEstimate:
    """Return a version's coverage before anything is decoded, and what the decoding would take."""
    before = make_plan(lake, spec, tracks)
    has_same_content = is_in(before.pending["track_id"], diff.same_content["track_id"])
    pending = before.pending.filter(pc.invert(has_same_content))
    to_embed = len(pending) - sum(map(len, from_vanished(lake, spec, pending)))
    quarantined = sum(before.reasons.values())
    embedded = before.expected - quarantined - to_embed
    coverage = Coverage(before.expected, embedded, quarantined, to_embed, before.reasons)
    audio_seconds = total_seconds(tracks_needing_audio(lake, spec, pending))
    cost = estimate_cost(lake, find_by_spec(spec), spec, audio_seconds, settings)
    _, missing = split_missing(pending)
    return RunEstimate(spec.name, spec.embedding_version, coverage, to_embed - missing, cost, missing)


def current_specs(lake: Lake, settings: Settings, log: Log) -> list[EncoderSpec]:
    """Return the versions to keep current: of the named encoders, else all of the lake.

    Versions that this installation no longer computes are left out. An empty lake gets the settings' encoders. Raises
    UserError if no version is left.
    """
    registered = list_encoder_versions(lake)
    if not registered:
        return [require_runnable(name, settings).spec for name in settings.encoders]
    is_named = settings.has_explicit_encoder
    specs: list[EncoderSpec] = []
    if is_named:
        encoders = [require_runnable(name, settings) for name in settings.encoders]
        for version in registered:
            specs += [
                _as_computed_now(encoder, version.spec)
                for encoder in encoders
                if matches_version(encoder, version.spec)
            ]
    else:
        for version in registered:
            specs += _current_spec(version.spec, settings, log)
    if not specs:
        names = ", ".join(f"{version.name} {version.embedding_version}" for version in registered)
        computing = settings.encoder if is_named else "this tonelake"
        raise UserError(
            f"{lake.uri} holds {names}: none is what {computing} computes now; "
            "choose with --encoder, or begin a new version with `tonelake index`"
        )
    return specs


def _current_spec(spec: EncoderSpec, settings: Settings, log: Log) -> list[EncoderSpec]:
    """Return the spec as this installation computes it; nothing if it does not."""
    try:
        encoder = require_allowed(find_by_spec(spec), settings)
    except UserError as error:
        log(f"{spec.name} is not kept current: {error}")
        return []
    return [_as_computed_now(encoder, spec)] if matches_version(encoder, spec) else []


def _as_computed_now(encoder: EncoderRegistration, spec: EncoderSpec) -> EncoderSpec:
    """Return the same version with today's tagger and folder, under the name of its tables."""
    return replace(encoder.spec.with_max_windows(spec.backbone.windows.limit), name=spec.name, base=spec.base)


def acquire_leases(
    lake: Lake, specs: list[EncoderSpec], run_ids: list[str], log: Log, stack: ExitStack
) -> dict[str, LeasedVersion]:
    """Take the leases of all versions of the lake and of `specs`.

    Returns them by table name, in sorted order. A track leaves or moves in all versions at once. Each of `specs` has
    its own run in `run_ids`; the first run takes the leases of the other versions.
    """
    run_of = dict(zip(map(embeddings_table, specs), run_ids, strict=False))
    registered = [version.spec for version in list_encoder_versions(lake)]
    spec_of = {embeddings_table(spec): spec for spec in [*registered, *specs]}
    leased = {}
    for name in sorted(spec_of):
        lease = stack.enter_context(Lease(lake, name, run_of.get(name, run_ids[0]), log))
        leased[name] = LeasedVersion(spec_of[name], lease)
    return leased


def apply_changes(lake: Lake, leased: dict[str, LeasedVersion], diff: SourceDiff) -> None:
    """Write the changes to the lake.

    The order allows a kill at any point: the next refresh finds what remains to be done.
    """
    lake.open_or_create("tracks", TRACKS)
    check = next(iter(leased.values())).lease.check  # a takedown takes all of them
    add_aliases(lake, diff.aliases, check)
    for version in leased.values():
        update_source_version(lake, version.spec, version.lease, diff.same_content)
    write_tracks(lake, diff.rows, check)
    write_tracks(lake, diff.vanished, check)
    register_sources(lake, diff.sources, check, listed=True)
    for version in leased.values():
        move_inactive(lake, version.spec, version.lease)
