"""The plan of a run: the tracks that are neither embedded nor quarantined."""

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from lake.catalogue.tracks import active_tracks, shard_filter
from lake.storage.arrow import index_in, is_in, same_version
from lake.storage.lake import Lake
from schemas.embeddings import QUARANTINE, embeddings_schema
from schemas.encoders import EncoderSpec
from schemas.runs import Coverage
from schemas.tables import embeddings_table


@dataclass(frozen=True, slots=True)
class Plan:
    """The state of one shard's tracks under one encoder.

    `pending` are the registry rows to embed; `embedded` and `reasons` (of quarantined tracks) count the others.
    `attempts` has every track with a quarantine row, at any version of its file.
    """

    pending: pa.Table
    embedded: int
    reasons: dict[str, int]
    attempts: dict[str, int]

    @property
    def expected(self) -> int:
        return len(self.pending) + self.embedded + sum(self.reasons.values())


def make_plan(lake: Lake, spec: EncoderSpec, tracks: pa.Table, *, retry_quarantined: bool = False) -> Plan:
    """Split registry rows by their state at their current source_version.

    `tracks` is sorted by track_id. Missing tables count as empty.
    """
    shard = shard_filter(tracks)
    columns = ["track_id", "source_version", "tags_version"]
    done = _read_or_empty(lake, embeddings_table(spec), embeddings_schema(spec), columns, shard)
    done = done.filter(pc.equal(done["tags_version"], spec.tags_version))  # rows of other tags are pending
    where = _of_backbone(spec) + (f" AND {shard}" if shard else "")
    columns = ["track_id", "source_version", "reason", "attempts"]
    quarantine = _read_or_empty(lake, "quarantine", QUARANTINE, columns, where)
    embedded = same_version(tracks, done)
    quarantined = pc.and_not(same_version(tracks, quarantine), embedded)
    if retry_quarantined:
        quarantined = pc.and_(quarantined, False)
    quarantined_ids = tracks.filter(quarantined)["track_id"]
    reasons = quarantine["reason"].take(index_in(quarantined_ids, quarantine["track_id"]))
    return Plan(
        pending=tracks.filter(pc.invert(pc.or_(embedded, quarantined))),
        embedded=pc.sum(embedded).as_py() or 0,
        reasons={count["values"]: count["counts"] for count in pc.value_counts(reasons).to_pylist()},
        attempts=dict(zip(quarantine["track_id"].to_pylist(), quarantine["attempts"].to_pylist(), strict=True)),
    )


def quarantined_tracks(lake: Lake, spec: EncoderSpec) -> pa.Table:
    """Return registry rows of the active tracks that have a quarantine row under this backbone."""
    tracks = active_tracks(lake)
    quarantined = _read_or_empty(lake, "quarantine", QUARANTINE, ["track_id"], _of_backbone(spec))
    return tracks.filter(is_in(tracks["track_id"], quarantined["track_id"]))


def coverage(plan: Plan) -> Coverage:
    """Return the counts of a plan's tracks by state."""
    quarantined = sum(plan.reasons.values())
    return Coverage(plan.expected, plan.embedded, quarantined, len(plan.pending), plan.reasons)


def _of_backbone(spec: EncoderSpec) -> str:
    return f"feature_version = '{spec.feature_version}'"


def _read_or_empty(lake: Lake, name: str, schema: pa.Schema, columns: list[str], where: str | None) -> pa.Table:
    table = lake.find_table(name)
    if table is None:
        return schema.empty_table().select(columns)
    return table.to_table(columns=columns, filter=where)
