"""Reuse of stored features for a new head, and of rows of returned tracks."""

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from lake.catalogue.encoders import list_encoder_versions
from lake.embeddings.identical_files import representatives
from lake.storage.arrow import coalesce_columns, conform_to, index_in, is_in, same_version
from lake.storage.filters import in_clause
from lake.storage.lake import Lake
from schemas.descriptions import DESCRIPTION_NAMES
from schemas.embeddings import SYNCED_COLUMNS, embeddings_schema, outcome_schema
from schemas.encoders import EncoderSpec
from schemas.tables import embeddings_table, features_table, vanished_table

CHUNK_TRACKS = 4096
# Columns of an embeddings row that depend on neither head nor tagger.
_HEAD_FREE_COLUMNS = (
    *("content_sha256", "duration_s", "title", "artist", "album", "genres", "year", "verdicts"),
    *DESCRIPTION_NAMES,
)


def from_features(lake: Lake, spec: EncoderSpec, tracks: pa.Table) -> Iterator[pa.Table]:
    """Yield the stored features of the tracks that have them at their current source_version.

    `tracks` are registry rows. A chunk is at most 4096 tracks, with the columns track_id, source_version, features,
    and every column of an embeddings row that depends on neither head nor tagger.
    """
    tables = _tables_of_backbone(lake, spec) if len(tracks) else []
    for start in range(0, len(tracks) if tables else 0, CHUNK_TRACKS):
        chunk = tracks.select(["track_id", "source_version"]).slice(start, CHUNK_TRACKS)
        for table in tables:
            rows = _join(lake, chunk, table, _HEAD_FREE_COLUMNS)
            rows = _join(lake, rows, features_table(spec), ("features",))
            if len(rows):
                yield _with_registry_metadata(rows, tracks)
                chunk = chunk.filter(pc.invert(is_in(chunk["track_id"], rows["track_id"])))


def from_vanished(lake: Lake, spec: EncoderSpec, tracks: pa.Table) -> Iterator[pa.Table]:
    """Yield outcomes for the tracks that vanished and came back unchanged.

    `tracks` are registry rows. A chunk is at most 4096 tracks.
    """
    if not len(tracks) or lake.find_table(vanished_table(spec)) is None:
        return
    schema = outcome_schema(spec)
    excluded = ("track_id", "source_version", "run_id")
    columns = tuple(name for name in embeddings_schema(spec).names if name not in excluded)
    for start in range(0, len(tracks), CHUNK_TRACKS):
        chunk = tracks.select(["track_id", "source_version"]).slice(start, CHUNK_TRACKS)
        rows = _join(lake, chunk, vanished_table(spec), columns)
        rows = rows.filter(pc.equal(rows["tags_version"], spec.tags_version))
        if len(rows):
            rows = _with_registry_metadata(rows, tracks)
            yield conform_to(rows.append_column("outcome", pa.repeat("embedded", len(rows))), schema)


def tracks_needing_audio(lake: Lake, spec: EncoderSpec, tracks: pa.Table) -> pa.Table:
    """Return the registry rows whose audio must be decoded.

    These are the rows that neither `from_features`, `from_vanished` nor `from_identical_files` yields.
    """
    if not len(tracks):
        return tracks
    backbone_tables = _tables_of_backbone(lake, spec)
    has_vanished = lake.find_table(vanished_table(spec)) is not None
    if not backbone_tables and not has_vanished:
        return representatives(lake, spec, tracks)
    remaining = [tracks.slice(0, 0)]
    for start in range(0, len(tracks), CHUNK_TRACKS):
        chunk = tracks.slice(start, CHUNK_TRACKS)
        ids = chunk.select(["track_id", "source_version"])
        reusable = [
            _join(lake, _join(lake, ids, table, ()), features_table(spec), ())["track_id"] for table in backbone_tables
        ]
        if has_vanished:
            rows = _join(lake, ids, vanished_table(spec), ("tags_version",))
            reusable.append(rows.filter(pc.equal(rows["tags_version"], spec.tags_version))["track_id"])
        chunks = [part for column in reusable for part in column.chunks]
        remaining.append(chunk.filter(pc.invert(is_in(chunk["track_id"], pa.chunked_array(chunks, pa.string())))))
    return representatives(lake, spec, pa.concat_tables(remaining))


def _tables_of_backbone(lake: Lake, spec: EncoderSpec) -> list[str]:
    """Return the embeddings tables of all versions with this backbone.

    Without stored features there are none.
    """
    if not spec.stores_features or lake.find_table(features_table(spec)) is None:
        return []
    names = lake.table_names()
    same_backbone = [
        version.spec for version in list_encoder_versions(lake) if version.spec.feature_version == spec.feature_version
    ]
    return [
        name for other in same_backbone for name in (embeddings_table(other), vanished_table(other)) if name in names
    ]


def _with_registry_metadata(rows: pa.Table, tracks: pa.Table) -> pa.Table:
    """Return `rows` with the metadata that the registry has for their tracks now."""
    metadata = tracks.select(SYNCED_COLUMNS).take(index_in(rows["track_id"], tracks["track_id"]))
    return coalesce_columns(rows, metadata, SYNCED_COLUMNS)


def _join(lake: Lake, tracks: pa.Table, name: str, columns: tuple[str, ...]) -> pa.Table:
    """Return the tracks that table `name` has at the same source_version.

    Those of `columns` that the table has are added; a table of an earlier tonelake may lack some.
    """
    table = lake.table(name)
    columns = tuple(column for column in columns if column in table.schema.names)
    wanted = ["track_id", "source_version", *columns]
    rows = table.to_table(columns=wanted, filter=in_clause("track_id", tracks["track_id"].to_pylist()))
    tracks = tracks.filter(same_version(tracks, rows))
    index = index_in(tracks["track_id"], rows["track_id"])
    for column in columns:
        tracks = tracks.append_column(rows.schema.field(column), rows[column].take(index))
    return tracks
