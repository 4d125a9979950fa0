"""Embeds what a plan left pending: workers compute, the committer writes, the tally counts."""

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from flows.progress import Watch
from flows.reports import Tally
from lake.plan import Plan
from lake.write import Committer
from schemas.audio import estimated_seconds
from schemas.encoders import EncoderSpec
from schemas.runs import CoverageError
from schemas.settings import Settings


def shards(tracks: pa.Table, rows: int) -> Iterator[pa.Table]:
    """Slices of a listing sorted by track_id: each is planned and run by itself, so that memory stays flat."""
    for start in range(0, len(tracks), rows):
        yield tracks.slice(start, rows)


def embed_pending(
    state: Plan, spec: EncoderSpec, settings: Settings, committer: Committer, tally: Tally, watch: Watch
) -> None:
    """Runs the pending tracks of one shard, up to the tally's limit. An interrupt commits what was computed."""
    from workers.stages import embed, start_ray  # Ray takes seconds to import: not for a run with nothing to do

    tracks = state.pending.slice(0, tally.left)
    if not len(tracks):
        return
    sizes = zip(tracks["uri"].to_pylist(), tracks["size"].to_pylist(), strict=True)
    watch.expect(len(tracks), sum(estimated_seconds(uri, size) for uri, size in sizes))
    start_ray(settings)
    committer.attempts.update(state.attempts)
    tally.asked += len(tracks)
    planned = dict(zip(tracks["track_id"].to_pylist(), tracks["source_version"].to_pylist(), strict=True))
    try:
        for outcomes in embed(tracks, spec, settings):
            committer.add(outcomes)
            count(outcomes, planned, tally)
            watch.advance(outcomes)
    except KeyboardInterrupt:
        watch.say("stopping: committing what has been computed")
        committer.flush()
        raise
    committer.flush()


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
    tally.audio_seconds += pc.sum(outcomes["duration_s"]).as_py() or 0.0


def verify(tally: Tally, committer: Committer) -> None:
    """asked = rows written + rows quarantined + rows lost, the first two counted by the committer."""
    if tally.asked != committer.embedded + committer.quarantined + tally.lost:
        raise CoverageError(
            f"{tally.asked} tracks were asked for, but {committer.embedded} were written, {committer.quarantined} "
            f"quarantined and {tally.lost} lost"
        )
