"""Names of the lake's tables and what their Arrow schemas share."""

import pyarrow as pa

from schemas.encoders import EncoderSpec


def key(name: str) -> pa.Field:
    """Return a key column. Lance knows it as the key, so two merges cannot insert it twice."""
    return pa.field(name, pa.string(), nullable=False, metadata={b"lance-schema:unenforced-primary-key": b"true"})


def key_column(schema: pa.Schema) -> str:
    """Return the name of the key column."""
    return str(next(field.name for field in schema if field.metadata))


def vector(dim: int) -> pa.DataType:
    """Return the type of a float32 vector. Every reader knows it; DuckDB 2.0 refuses float16 columns."""
    return pa.list_(pa.float32(), dim)


def half_vector(dim: int) -> pa.DataType:
    """Return the type of a float16 vector, for the large tables that only tonelake reads.

    It takes half the bytes, and cosines change by 1e-7.
    """
    return pa.list_(pa.float16(), dim)


def embeddings_table(spec: EncoderSpec) -> str:
    return f"embeddings__{spec.name}__{spec.embedding_version}"


def vanished_table(spec: EncoderSpec) -> str:
    """Return the name of the table with embeddings of inactive tracks.

    No search finds them; they are reused if a track comes back.
    """
    return f"vanished__{spec.name}__{spec.embedding_version}"


def windows_table(spec: EncoderSpec) -> str:
    return f"windows__{spec.name}__{spec.embedding_version}"


def features_table(spec: EncoderSpec) -> str:
    return f"features__{spec.base or spec.name}__{spec.feature_version}"


def map_table(spec: EncoderSpec) -> str:
    return f"map__{spec.name}__{spec.embedding_version}"
