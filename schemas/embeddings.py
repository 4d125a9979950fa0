"""Columns of an encoder's tables, and of the batches that workers return."""

import pyarrow as pa

from schemas.descriptions import DESCRIPTION_COLUMNS
from schemas.encoders import EncoderSpec
from schemas.tables import half_vector, key, vector

SYNCED_COLUMNS = ("title", "artist", "album", "genres", "year")  # copied from the registry to the embeddings table
TAG_SCORE_FLOOR = 0.05  # tags scored lower are not stored

_UTC = pa.timestamp("us", tz="UTC")
_TAGS = pa.list_(pa.struct([pa.field("name", pa.string()), pa.field("score", pa.float32())]))
_STRINGS = pa.list_(pa.string())

_TRACK_COLUMNS = [
    pa.field("source_version", pa.string()),
    pa.field("content_sha256", pa.string()),
    pa.field("duration_s", pa.float64()),
    pa.field("title", pa.string()),
    pa.field("artist", pa.string()),
    pa.field("album", pa.string()),
    pa.field("genres", _STRINGS),
    pa.field("year", pa.int32()),
    pa.field("tags", _TAGS),
    pa.field("tag_names", _STRINGS),
    pa.field("tags_version", pa.string()),
    pa.field("verdicts", _STRINGS),
    *DESCRIPTION_COLUMNS,
]

AUDIO_FACTS = pa.schema(
    [
        key("content_sha256"),
        pa.field("duration_s", pa.float64()),
        pa.field("codec", pa.string()),
        pa.field("sample_rate", pa.int32()),
        pa.field("channels", pa.int32()),
        pa.field("peak", pa.float32()),
        pa.field("rms_dbfs", pa.float32()),  # level of the whole file, dB full scale
        pa.field("verdicts", _STRINGS),
        pa.field("fingerprint", pa.binary()),
    ]
)

QUARANTINE = pa.schema(
    [
        key("key"),  # track_id@feature_version
        pa.field("track_id", pa.string()),
        pa.field("feature_version", pa.string()),
        pa.field("reason", pa.string()),
        pa.field("message", pa.string()),
        pa.field("source_version", pa.string()),
        pa.field("attempts", pa.int32()),
        pa.field("run_id", pa.string()),
        pa.field("at", _UTC),
    ]
)

STALE = pa.schema(
    [
        key("key"),  # track_id@embedding_version
        pa.field("track_id", pa.string()),
        pa.field("embedding_version", pa.string()),
        pa.field("since", _UTC),  # the end of the run that found it
    ]
)

MAP = pa.schema(
    [
        key("track_id"),
        pa.field("source_version", pa.string()),  # of the file whose vector was placed
        pa.field("x", pa.float32()),
        pa.field("y", pa.float32()),
        pa.field("is_landmark", pa.bool_()),  # laid out itself; the others lie beside their nearest landmarks
        pa.field("map_version", pa.string()),
    ]
)


def embeddings_schema(spec: EncoderSpec) -> pa.Schema:
    """Return the schema of the embeddings: one row a track.

    `vector` is the only vector column, so that any LanceDB client can search the table.
    """
    return pa.schema(
        [
            key("track_id"),
            *_TRACK_COLUMNS[:3],
            pa.field("vector", vector(spec.head.dim)),
            *_TRACK_COLUMNS[3:],
            pa.field("run_id", pa.string()),
        ]
    )


def features_schema(spec: EncoderSpec) -> pa.Schema:
    """Return the schema of the backbone's pooled features, from which new heads are computed."""
    return pa.schema(
        [
            key("track_id"),
            pa.field("source_version", pa.string()),
            pa.field("features", half_vector(spec.backbone.dim)),
        ]
    )


def windows_schema(spec: EncoderSpec) -> pa.Schema:
    """Return the schema of the window vectors: one list a track, in order.

    `stretch_vectors` are unit means of about 30 s of windows, in order. They are indexed, and Lance takes minutes
    instead of seconds to index float16.
    """
    return pa.schema(
        [
            key("track_id"),
            pa.field("source_version", pa.string()),
            pa.field("window_vectors", pa.list_(half_vector(spec.head.dim))),
            pa.field("stretch_vectors", pa.list_(vector(spec.head.dim))),
        ]
    )


def outcome_schema(spec: EncoderSpec) -> pa.Schema:
    """Return the schema of a worker's result for each track.

    `outcome` is "embedded" (every other column except `reason` is filled), "quarantined" (`reason` is a verdict) or
    "pending" (`message` is the error; the next run tries the track again).
    """
    return pa.schema(
        [
            pa.field("track_id", pa.string(), nullable=False),
            pa.field("outcome", pa.string(), nullable=False),
            pa.field("reason", pa.string()),
            pa.field("message", pa.string()),
            *_TRACK_COLUMNS,
            pa.field("vector", vector(spec.head.dim)),
            pa.field("features", half_vector(spec.backbone.dim)),
            pa.field("window_vectors", pa.list_(half_vector(spec.head.dim))),
            pa.field("codec", pa.string()),
            pa.field("sample_rate", pa.int32()),
            pa.field("channels", pa.int32()),
            pa.field("peak", pa.float32()),
            pa.field("rms_dbfs", pa.float32()),
        ]
    )
