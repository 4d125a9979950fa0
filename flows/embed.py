"""Embeds what a plan left pending: workers compute, the committer writes, the tally counts."""

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from flows.progress import Watch
from flows.reports import Tally
from lake.connect import Lake
from lake.lease import LeaseLost
from lake.plan import Plan
from lake.stored import stored_tracks
from lake.write import Committer
from schemas.audio import estimated_seconds
from schemas.embeddings import outcome_schema
from schemas.encoders import EncoderSpec
from schemas.runs import CoverageError
from schemas.settings import Settings
from workers.encoders.registry import load_encoder
from workers.track import derived_rows


def shards(tracks: pa.Table, rows: int) -> Iterator[pa.Table]:
    """Slices of a listing sorted by track_id: each is planned and run by itself: only the listing is held whole."""
    for start in range(0, len(tracks), rows):
        yield tracks.slice(start, rows)


def embed_pending(
    state: Plan, spec: EncoderSpec, settings: Settings, committer: Committer, tally: Tally, watch: Watch
) -> None:
    """Runs the pending tracks of one shard, up to the tally's limit. An interrupt commits what was computed."""
    tracks = state.pending.slice(0, tally.left)
    if not len(tracks):
        return
    committer.attempts.update(state.attempts)
    tally.asked += len(tracks)
    planned = dict(zip(tracks["track_id"].to_pylist(), tracks["source_version"].to_pylist(), strict=True))
    try:
        for outcomes in _outcomes(tracks, spec, settings, committer.lake, watch):
            committer.add(outcomes)
            count(outcomes, planned, tally)
            watch.advance(outcomes)
    except LeaseLost:
        raise
    except BaseException:
        watch.say("stopping: committing what was computed; the same command finishes the rest")
        committer.flush()
        raise
    committer.flush()


def _outcomes(tracks: pa.Table, spec: EncoderSpec, settings: Settings, lake: Lake, watch: Watch) -> Iterator[pa.Table]:
    """From stored features where the lake has them, from audio where it has not."""
    left = set(tracks["track_id"].to_pylist())
    encoder = None
    for known in stored_tracks(lake, spec, tracks):
        encoder = encoder or load_encoder(spec, settings.models)
        watch.expect(len(known), "from stored features")
        left.difference_update(known["track_id"].to_pylist())
        yield pa.Table.from_pylist(derived_rows(known.to_pylist(), encoder), schema=outcome_schema(spec))
    rest = tracks.filter(pc.is_in(tracks["track_id"], pa.array(left, pa.string())))
    if len(rest):
        from workers.stages import embed, start_ray  # Ray takes seconds to import: not for a run without audio

        seconds = sum(map(estimated_seconds, rest["uri"].to_pylist(), rest["size"].to_pylist()))
        watch.expect(len(rest), f"about {seconds / 3600:.1f} h of audio")
        start_ray(settings)
        yield from embed(rest, spec, settings)


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
