"""Embeds what a plan left pending: workers compute, the committer writes, the tally counts."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from flows.console.progress import Watch
from flows.ingest.report import Tally
from lake.catalogue.plan import Plan
from lake.catalogue.runs import RunRecord
from lake.embeddings.committer import Committer
from lake.embeddings.identical_files import copied_tracks, repeats
from lake.embeddings.reuse import kept_tracks, stored_tracks
from lake.storage.arrow import is_among, place_in
from lake.storage.lease import Lease, LeaseLost
from lake.takedowns.takedowns import Refused, turned_away
from schemas.audio import estimated_seconds
from schemas.embeddings import outcome_schema
from schemas.encoders import EncoderSpec
from schemas.runs import Coverage, CoverageError
from schemas.settings import Settings
from workers.embedding.track import derived_rows
from workers.encoders.registry import load_encoder


def shards(tracks: pa.Table, rows: int) -> Iterator[pa.Table]:
    """Slices of a listing sorted by track_id: each is planned and run by itself: only the listing is held whole."""
    for start in range(0, len(tracks), rows):
        yield tracks.slice(start, rows)


@dataclass(slots=True)
class Job:
    """One encoder's part of a run: what it writes with, what it was asked for, what the tables say of it."""

    run_id: str
    spec: EncoderSpec
    lease: Lease
    committer: Committer
    record: RunRecord
    tally: Tally
    refused: Refused
    found: Coverage = field(default_factory=Coverage)


def embed_pending(jobs: list[Job], plans: list[Plan], settings: Settings, watch: Watch) -> None:
    """Runs the pending tracks of one shard, up to each tally's limit. An interrupt commits what was computed."""
    todo = [state.pending.slice(0, job.tally.left) for job, state in zip(jobs, plans, strict=True)]
    planned: dict[str, dict[str, str]] = {}
    for job, state, tracks in zip(jobs, plans, todo, strict=True):
        job.committer.attempts.update(state.attempts)
        job.tally.asked += len(tracks)
        versions = zip(tracks["track_id"].to_pylist(), tracks["source_version"].to_pylist(), strict=True)
        planned[job.spec.embedding_version] = dict(versions)
    by_version = {job.spec.embedding_version: job for job in jobs}
    try:
        for spec, found in _outcomes(jobs, todo, settings, watch):
            job = by_version[spec.embedding_version]
            outcomes = turned_away(found, job.refused)
            job.committer.add(outcomes)
            count(outcomes, planned[spec.embedding_version], job.tally)
            watch.advance(outcomes)
    except LeaseLost:
        raise
    except BaseException:
        watch.say("stopping: committing what was computed; the same command finishes the rest")
        for job in jobs:
            job.committer.lake.require_answer()
            job.committer.flush()
        raise
    for job in jobs:
        job.committer.flush()


def _outcomes(
    jobs: list[Job], todo: list[pa.Table], settings: Settings, watch: Watch
) -> Iterator[tuple[EncoderSpec, pa.Table]]:
    """From what the lake has kept, rows or features; from audio where it has nothing, each file decoded once.

    Of pending tracks with one file the first is heard; the others are copied then, or heard where it was not embedded.
    """
    left: list[pa.Table] = []
    for job, tracks in zip(jobs, todo, strict=True):
        for known in _stored(job, tracks, settings, watch):
            tracks = _others(tracks, known)
            yield job.spec, known
        left.append(tracks)
    again = [repeats(tracks) for tracks in left]
    yield from _heard(jobs, list(map(pa.Table.filter, left, map(pc.invert, again))), settings, watch)
    waiting = list(map(pa.Table.filter, left, again))
    for place, job in enumerate(jobs):
        if len(waiting[place]):
            job.committer.flush()
            for known in _copied(job, waiting[place], watch):
                waiting[place] = _others(waiting[place], known)
                yield job.spec, known
    yield from _heard(jobs, waiting, settings, watch)
    if any(map(len, left)):
        from workers.distributed.cluster import held

        for job in jobs:
            job.tally.held = held(tuple(other.spec for other in jobs), settings)


def _stored(job: Job, tracks: pa.Table, settings: Settings, watch: Watch) -> Iterator[pa.Table]:
    for kept in kept_tracks(job.committer.lake, job.spec, tracks):
        watch.expect(len(kept), "from the rows that were kept of them")
        yield kept
        tracks = _others(tracks, kept)
    for copied in _copied(job, tracks, watch):
        yield copied
        tracks = _others(tracks, copied)
    encoder = None
    for known in stored_tracks(job.committer.lake, job.spec, tracks):
        encoder = encoder or load_encoder(job.spec, settings.models)
        watch.expect(len(known), "from stored features")
        yield pa.Table.from_pylist(derived_rows(known.to_pylist(), encoder), schema=outcome_schema(job.spec))


def _copied(job: Job, tracks: pa.Table, watch: Watch) -> Iterator[pa.Table]:
    for copied in copied_tracks(job.committer.lake, job.spec, tracks):
        watch.expect(len(copied), "copied from identical files")
        job.tally.copied += len(copied)
        yield copied


def _others(tracks: pa.Table, answered: pa.Table) -> pa.Table:
    return tracks.filter(pc.invert(is_among(tracks["track_id"], answered["track_id"])))


def _heard(
    jobs: list[Job], todo: list[pa.Table], settings: Settings, watch: Watch
) -> Iterator[tuple[EncoderSpec, pa.Table]]:
    """Each track by all encoders that lack it, at once."""
    unheard: dict[str, tuple[EncoderSpec, ...]] = {}
    for job, tracks in zip(jobs, todo, strict=True):
        for track in tracks["track_id"].to_pylist():
            unheard[track] = (*unheard.get(track, ()), job.spec)
    rows = pa.concat_tables(todo)
    first = place_in(pa.array(sorted(unheard), pa.string()), rows["track_id"])
    for specs in dict.fromkeys(unheard.values()):
        wanted = pa.array([unheard[track] == specs for track in sorted(unheard)])
        yield from _from_audio(rows.take(first.filter(wanted)), specs, settings, watch)


def _from_audio(
    tracks: pa.Table, specs: tuple[EncoderSpec, ...], settings: Settings, watch: Watch
) -> Iterator[tuple[EncoderSpec, pa.Table]]:
    from workers.distributed.cluster import (  # Ray takes seconds to import: not for a run without audio
        embed,
        start_ray,
    )

    names = f" by {', '.join(spec.name for spec in specs)}" if len(specs) > 1 else ""
    watch.expect(len(tracks) * len(specs), f"about {audio_of(tracks) / 3600:.1f} h of audio{names}")
    start_ray(settings)
    yield from embed(tracks, specs, settings)


def audio_of(tracks: pa.Table) -> float:
    """Seconds of audio in the files of registry rows, from their sizes."""
    return sum(map(estimated_seconds, tracks["uri"].to_pylist(), tracks["size"].to_pylist()))


def count(outcomes: pa.Table, planned: dict[str, str], tally: Tally) -> None:
    """Adds a batch of outcomes to the tally; an answer nobody asked for, or a second one, breaks the identity."""
    for row in outcomes.select(["track_id", "outcome", "source_version"]).to_pylist():
        version = planned.pop(row["track_id"], None)
        if version is None:
            raise CoverageError(f"{row['track_id']} was answered twice or never asked for")
        tally.embedded += row["outcome"] == "embedded"
        tally.quarantined += row["outcome"] == "quarantined"
        tally.lost += row["outcome"] == "pending"
        tally.changed += row["outcome"] == "embedded" and row["source_version"] != version
    heard = outcomes.filter(pc.is_valid(outcomes["codec"]))
    tally.audio_seconds += pc.sum(heard["duration_s"]).as_py() or 0.0


def verify(tally: Tally, committer: Committer) -> None:
    """asked = rows written + rows quarantined + rows lost, the first two counted by the committer."""
    if tally.asked != committer.embedded + committer.quarantined + tally.lost:
        raise CoverageError(
            f"{tally.asked} tracks were asked for, but {committer.embedded} were written, {committer.quarantined} "
            f"quarantined and {tally.lost} lost"
        )
