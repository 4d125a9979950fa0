"""Names of the lake's tables and what their Arrow schemas share."""

import pyarrow as pa

from schemas.encoders import EncoderSpec


def key(name: str) -> pa.Field:
    """A key column: declared to Lance, so that two merges of one key cannot leave two rows."""
    return pa.field(name, pa.string(), nullable=False, metadata={b"lance-schema:unenforced-primary-key": b"true"})


def key_of(schema: pa.Schema) -> str:
    """The name of its key column."""
    return next(field.name for field in schema if field.metadata)


def vector(dim: int) -> pa.DataType:
    """A float32 vector, the type that every reader knows: DuckDB 2.0 refuses tables with float16 columns."""
    return pa.list_(pa.float32(), dim)


def half_vector(dim: int) -> pa.DataType:
    """A float16 vector, for the large tables that tonelake itself reads: half the bytes, cosines move by 1e-7."""
    return pa.list_(pa.float16(), dim)


def embeddings_table(spec: EncoderSpec) -> str:
    return f"embeddings__{spec.name}__{spec.embedding_version}"


def vanished_table(spec: EncoderSpec) -> str:
    """Rows of `embeddings_table` whose tracks are not active: out of every search, there when a track comes back."""
    return f"vanished__{spec.name}__{spec.embedding_version}"


def windows_table(spec: EncoderSpec) -> str:
    return f"windows__{spec.name}__{spec.embedding_version}"


def features_table(spec: EncoderSpec) -> str:
    return f"features__{spec.base or spec.name}__{spec.feature_version}"
