"""Outcomes of embedding a track with an encoder, and their tables and blocks in Arrow."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pyarrow as pa

from schemas.embeddings import outcome_schema
from schemas.encoders import EncoderSpec
from schemas.redaction import redact
from schemas.tracks import TrackToEmbed

MAX_MESSAGE_CHARACTERS = 500

Specs = tuple[EncoderSpec, ...]
Outcomes = tuple[EncoderSpec, pa.Table]  # of one encoder, with the columns of `outcome_schema`


@dataclass(frozen=True, slots=True)
class Outcome:
    """The row of one track: its fields are the columns of `outcome_schema`.

    `outcome` is "embedded", "quarantined" (`reason` is a verdict) or "pending" (the next run tries again). All fields
    from `content_sha256` on are None unless the track is embedded. `vector` is float32 [dim], `features` float16
    [feature_dim], `window_vectors` float16 [windows, dim]. `description` holds the columns of a description; it is
    None if the settings ask for none.
    """

    track_id: str
    outcome: str
    source_version: str
    reason: str | None = None
    message: str | None = None
    content_sha256: str | None = None
    duration_s: float | None = None
    title: str | None = None
    artist: str | None = None
    album: str | None = None
    genres: list[str] | None = None
    year: int | None = None
    verdicts: list[str] | None = None
    vector: np.ndarray | None = None
    tags: list[dict[str, Any]] | None = None
    tag_names: list[str] | None = None
    tags_version: str | None = None
    features: np.ndarray | None = None
    window_vectors: list[np.ndarray] | None = None
    codec: str | None = None
    sample_rate: int | None = None
    channels: int | None = None
    peak: float | None = None
    rms_dbfs: float | None = None
    description: dict[str, Any] | None = None


_FIELDS = tuple(field.name for field in fields(Outcome) if field.name != "description")


def quarantined_outcome(track: TrackToEmbed, reason: str, message: str) -> Outcome:
    """Return the outcome of a track whose file cannot be embedded."""
    return Outcome(track.track_id, "quarantined", track.source_version, reason, _to_stored_message(message))


def pending_outcome(track: TrackToEmbed, message: str) -> Outcome:
    """Return the outcome of a track that the next run tries again."""
    return Outcome(track.track_id, "pending", track.source_version, None, _to_stored_message(message))


def _to_stored_message(message: str) -> str:
    return redact(message)[:MAX_MESSAGE_CHARACTERS]


def outcome_table(outcomes: list[Outcome], spec: EncoderSpec) -> pa.Table:
    """Return outcomes as a table with the columns of `outcome_schema`."""
    rows = [{name: getattr(outcome, name) for name in _FIELDS} | (outcome.description or {}) for outcome in outcomes]
    return pa.Table.from_pylist(rows, schema=outcome_schema(spec))


def pack(tables: list[pa.Table]) -> pa.Table:
    """Pack the outcomes of several encoders, one table per encoder, into one block.

    Their columns differ, so each table becomes an Arrow stream.
    """
    streams = []
    for table in tables:
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
        streams.append(sink.getvalue().to_pybytes())
    encoders = pa.array(range(len(tables)), pa.int8())
    return pa.table({"encoder": encoders, "outcomes": pa.array(streams, pa.large_binary())})


def unpack(block: pa.Table, specs: Specs) -> Iterator[Outcomes]:
    """Yield the tables of a packed block, each with its encoder."""
    for row in block.to_pylist():
        yield specs[row["encoder"]], pa.ipc.open_stream(row["outcomes"]).read_all()
