"""What is to be done: the registry minus what is embedded minus what is quarantined, an anti-join each time."""

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from lake.catalogue.tracks import active_tracks, shard_range
from lake.storage.arrow import alike, is_among, place_in
from lake.storage.lake import Lake
from schemas.embeddings import QUARANTINE, embeddings_schema
from schemas.encoders import EncoderSpec
from schemas.runs import Coverage
from schemas.tables import embeddings_table


@dataclass(frozen=True, slots=True)
class Plan:
    """State of the tracks of one shard under one encoder.

    `pending` holds their registry rows; `embedded` and `reasons` count the others. `attempts` has the tracks that
    have a quarantine row, at any version of their file.
    """

    pending: pa.Table
    embedded: int
    reasons: dict[str, int]
    attempts: dict[str, int]

    @property
    def expected(self) -> int:
        return len(self.pending) + self.embedded + sum(self.reasons.values())


def plan(lake: Lake, spec: EncoderSpec, tracks: pa.Table, *, retry_quarantined: bool = False) -> Plan:
    """Splits registry rows by state at their current source_version. Tables that are not there yet count as empty."""
    shard = shard_range(tracks)
    columns = ["track_id", "source_version", "tags_version"]
    done = _read(lake, embeddings_table(spec), embeddings_schema(spec), columns, shard)
    done = done.filter(pc.equal(done["tags_version"], spec.tags_version))  # older tags are computed anew
    mine = f"feature_version = '{spec.feature_version}'" + (f" AND {shard}" if shard else "")
    quarantine = _read(lake, "quarantine", QUARANTINE, ["track_id", "source_version", "reason", "attempts"], mine)
    embedded = alike(tracks, done)
    held = pc.and_not(alike(tracks, quarantine), embedded)
    if retry_quarantined:
        held = pc.and_(held, False)
    held_ids = tracks.filter(held)["track_id"]
    reasons = quarantine["reason"].take(place_in(held_ids, quarantine["track_id"]))
    return Plan(
        pending=tracks.filter(pc.invert(pc.or_(embedded, held))),
        embedded=pc.sum(embedded).as_py() or 0,
        reasons={count["values"]: count["counts"] for count in pc.value_counts(reasons).to_pylist()},
        attempts=dict(zip(quarantine["track_id"].to_pylist(), quarantine["attempts"].to_pylist(), strict=True)),
    )


def quarantined_tracks(lake: Lake, spec: EncoderSpec) -> pa.Table:
    """Registry rows of the active tracks that have a quarantine row under this backbone."""
    tracks = active_tracks(lake)
    mine = f"feature_version = '{spec.feature_version}'"
    held = _read(lake, "quarantine", QUARANTINE, ["track_id"], mine)
    return tracks.filter(is_among(tracks["track_id"], held["track_id"]))


def coverage(state: Plan) -> Coverage:
    """The identity of a plan's tracks."""
    quarantined = sum(state.reasons.values())
    return Coverage(state.expected, state.embedded, quarantined, len(state.pending), state.reasons)


def _read(lake: Lake, name: str, schema: pa.Schema, columns: list[str], where: str | None) -> pa.Table:
    if name not in lake.names():
        return schema.empty_table().select(columns)
    return lake.table(name).to_table(columns=columns, filter=where)
