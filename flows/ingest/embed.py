"""Embeds the pending tracks of a plan: workers compute, the committer writes, the tally counts."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from flows.console.progress import ProgressReporter
from flows.ingest.report import Tally
from lake.catalogue.plan import Plan
from lake.catalogue.runs import RunRecord
from lake.embeddings.committer import Committer
from lake.embeddings.identical_files import Repeats, from_identical_files, split_repeats
from lake.embeddings.reuse import from_features, from_vanished
from lake.storage.arrow import index_in, is_in
from lake.storage.lease import Lease, LeaseLost
from lake.takedowns.takedowns import Blocklist, quarantine_blocked
from schemas.embeddings import outcome_schema
from schemas.encoders import EncoderSpec
from schemas.runs import Coverage, CoverageError
from schemas.settings import Settings
from workers.embedding.blocks import total_seconds
from workers.embedding.track import derive_rows
from workers.encoders.registry import load_encoder
from workers.executors import choose_executor


def shards(tracks: pa.Table, rows: int) -> Iterator[pa.Table]:
    """Cut a listing, sorted by track_id, into slices of `rows` rows.

    Each slice is planned and run by itself, so that only the listing is in memory as a whole.
    """
    for start in range(0, len(tracks), rows):
        yield tracks.slice(start, rows)


@dataclass(slots=True)
class IndexJob:
    """One encoder's part of a run: its lease, its writer, its counts.

    `tally` is the run's own count of what it requested; `coverage` is the tables' count of the sources.
    """

    run_id: str
    spec: EncoderSpec
    lease: Lease
    committer: Committer
    record: RunRecord
    tally: Tally
    blocklist: Blocklist
    coverage: Coverage = field(default_factory=Coverage)


def embed_pending(jobs: list[IndexJob], plans: list[Plan], settings: Settings, progress: ProgressReporter) -> None:
    """Embed the pending tracks of one shard, up to each tally's limit.

    An interrupt or an error commits what was computed before it ends the run.
    """
    todo = [plan.pending.slice(0, job.tally.remaining) for job, plan in zip(jobs, plans, strict=True)]
    versions: dict[str, dict[str, str]] = {}  # embedding_version -> track_id -> source_version of requested tracks
    for job, plan, tracks in zip(jobs, plans, todo, strict=True):
        job.committer.attempts.update(plan.attempts)
        job.tally.requested += len(tracks)
        pairs = zip(tracks["track_id"].to_pylist(), tracks["source_version"].to_pylist(), strict=True)
        versions[job.spec.embedding_version] = dict(pairs)
    job_of = {job.spec.embedding_version: job for job in jobs}
    try:
        for spec, computed in _compute_outcomes(jobs, todo, settings, progress):
            job = job_of[spec.embedding_version]
            outcomes = quarantine_blocked(computed, job.blocklist)
            job.committer.add(outcomes)
            add_to_tally(outcomes, versions[spec.embedding_version], job.tally)
            progress.advance(outcomes)
    except LeaseLost:
        raise
    except BaseException:
        progress.log("stopping: committing what was computed; the same command finishes the rest")
        for job in jobs:
            job.committer.lake.require_store()
            job.committer.flush()
        raise
    for job in jobs:
        job.committer.flush()


def _compute_outcomes(
    jobs: list[IndexJob], todo: list[pa.Table], settings: Settings, progress: ProgressReporter
) -> Iterator[tuple[EncoderSpec, pa.Table]]:
    """Yield outcomes from stored rows and features, and from audio for the other tracks.

    A file is decoded once for all encoders. If several pending tracks have one file, only the first is decoded. Its
    outcome is copied for the others; they are decoded too if the first was not embedded.
    """
    firsts: list[pa.Table] = []
    repeats: dict[EncoderSpec, Repeats] = {}
    for job, tracks in zip(jobs, todo, strict=True):
        for stored in _from_lake(job, tracks, settings, progress):
            tracks = _without(tracks, stored)
            yield job.spec, stored
        first, repeats[job.spec] = split_repeats(tracks)
        firsts.append(first)
    job_of = {job.spec: job for job in jobs}
    for spec, outcomes in _from_audio(jobs, firsts, settings, progress):
        yield spec, outcomes
        copied = repeats[spec].copy(outcomes, spec)
        if len(copied):
            _count_copied(job_of[spec], copied, progress)
            yield spec, copied
    yield from _from_audio(jobs, [repeats[job.spec].left for job in jobs], settings, progress)


def _from_lake(job: IndexJob, tracks: pa.Table, settings: Settings, progress: ProgressReporter) -> Iterator[pa.Table]:
    """Yield the outcomes that need no audio: reused rows, copied rows, rows from stored features."""
    for reused in from_vanished(job.committer.lake, job.spec, tracks):
        progress.expect(len(reused), "from their earlier rows")
        yield reused
        tracks = _without(tracks, reused)
    for copied in _from_identical_files(job, tracks, progress):
        yield copied
        tracks = _without(tracks, copied)
    encoder = None
    for features in from_features(job.committer.lake, job.spec, tracks):
        encoder = encoder or load_encoder(job.spec, settings.models)
        progress.expect(len(features), "from stored features")
        yield pa.Table.from_pylist(derive_rows(features.to_pylist(), encoder), schema=outcome_schema(job.spec))


def _from_identical_files(job: IndexJob, tracks: pa.Table, progress: ProgressReporter) -> Iterator[pa.Table]:
    for copied in from_identical_files(job.committer.lake, job.spec, tracks):
        _count_copied(job, copied, progress)
        yield copied


def _count_copied(job: IndexJob, copied: pa.Table, progress: ProgressReporter) -> None:
    progress.expect(len(copied), "copied from identical files")
    job.tally.copied += len(copied)


def _without(tracks: pa.Table, done: pa.Table) -> pa.Table:
    return tracks.filter(pc.invert(is_in(tracks["track_id"], done["track_id"])))


def _from_audio(
    jobs: list[IndexJob], todo: list[pa.Table], settings: Settings, progress: ProgressReporter
) -> Iterator[tuple[EncoderSpec, pa.Table]]:
    """Decode each track once, and embed it with all encoders that lack it."""
    missing: dict[str, tuple[EncoderSpec, ...]] = {}  # track_id -> encoders that lack it
    for job, tracks in zip(jobs, todo, strict=True):
        for track_id in tracks["track_id"].to_pylist():
            missing[track_id] = (*missing.get(track_id, ()), job.spec)
    rows = pa.concat_tables(todo)
    if not len(rows):
        return
    all_specs = tuple(job.spec for job in jobs)
    executor = choose_executor(rows, all_specs, settings)
    track_ids = sorted(missing)
    first_row = index_in(pa.array(track_ids, pa.string()), rows["track_id"])
    for specs in dict.fromkeys(missing.values()):
        lacks_these = pa.array([missing[track_id] == specs for track_id in track_ids])
        tracks = rows.take(first_row.filter(lacks_these))
        hours = total_seconds(tracks) / 3600
        encoders = f" by {', '.join(spec.name for spec in specs)}" if len(specs) > 1 else ""
        progress.expect(len(tracks) * len(specs), f"about {hours:.1f} h of audio{encoders}")
        yield from executor.embed(tracks, specs, settings)
    for job in jobs:
        job.tally.reserved = executor.reserved_resources(all_specs, settings)


def add_to_tally(outcomes: pa.Table, versions: dict[str, str], tally: Tally) -> None:
    """Add a batch of outcomes to the tally, and remove its tracks from `versions`.

    `versions` maps the requested track_ids to the source_version they were listed with. Raises CoverageError if an
    outcome was not requested, or is a track's second one.
    """
    for row in outcomes.select(["track_id", "outcome", "source_version"]).to_pylist():
        version = versions.pop(row["track_id"], None)
        if version is None:
            raise CoverageError(f"{row['track_id']} has two outcomes, or was not requested")
        tally.embedded += row["outcome"] == "embedded"
        tally.quarantined += row["outcome"] == "quarantined"
        tally.lost += row["outcome"] == "pending"
        tally.changed += row["outcome"] == "embedded" and row["source_version"] != version
    decoded = outcomes.filter(pc.is_valid(outcomes["codec"]))
    tally.audio_seconds += pc.sum(decoded["duration_s"]).as_py() or 0.0


def verify_tally(tally: Tally, committer: Committer) -> None:
    """Check that requested = written + quarantined + lost; the committer counts the first two.

    Raises CoverageError otherwise.
    """
    if tally.requested != committer.embedded + committer.quarantined + tally.lost:
        raise CoverageError(
            f"{tally.requested} tracks were requested, but {committer.embedded} were written, {committer.quarantined} "
            f"quarantined and {tally.lost} lost"
        )
