"""What a new head or tagger is computed from: stored features, with what a row of the same backbone already knows."""

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from lake.catalogue.encoders import versions
from lake.embeddings.identical_files import to_be_heard
from lake.storage.arrow import alike, completed, filled, is_among, place_in
from lake.storage.filters import among
from lake.storage.lake import Lake
from schemas.embeddings import NAMED_COLUMNS, embeddings_schema, outcome_schema
from schemas.encoders import EncoderSpec
from schemas.tables import embeddings_table, features_table, vanished_table

CHUNK_TRACKS = 4096
_KNOWN = ("content_sha256", "duration_s", "title", "artist", "album", "genres", "year", "verdicts")


def stored_tracks(lake: Lake, spec: EncoderSpec, tracks: pa.Table) -> Iterator[pa.Table]:
    """Of registry rows, those whose features are in the lake at their current source_version, a chunk at a time.

    Columns: track_id, source_version, features, and all of an embeddings row that no head or tagger decides.
    """
    features, tables = features_table(spec), _alike(lake, spec)
    for start in range(0, len(tracks) if tables else 0, CHUNK_TRACKS):
        chunk = tracks.select(["track_id", "source_version"]).slice(start, CHUNK_TRACKS)
        for table in tables:
            found = _joined(lake, _joined(lake, chunk, table, _KNOWN), features, ("features",))
            if len(found):
                yield _named(found, tracks)
                chunk = chunk.filter(pc.invert(is_among(chunk["track_id"], found["track_id"])))


def kept_tracks(lake: Lake, spec: EncoderSpec, tracks: pa.Table) -> Iterator[pa.Table]:
    """Of registry rows, those that vanished and came back as they were: their outcomes, a chunk at a time."""
    if vanished_table(spec) not in lake.names():
        return
    schema = outcome_schema(spec)
    own = ("track_id", "source_version", "run_id")
    columns = tuple(name for name in embeddings_schema(spec).names if name not in own)
    for start in range(0, len(tracks), CHUNK_TRACKS):
        chunk = tracks.select(["track_id", "source_version"]).slice(start, CHUNK_TRACKS)
        found = _joined(lake, chunk, vanished_table(spec), columns)
        found = _named(found.filter(pc.equal(found["tags_version"], spec.tags_version)), tracks)
        if len(found):
            found = found.append_column("outcome", pa.repeat("embedded", len(found)))
            yield completed(found, schema)


def unheard(lake: Lake, spec: EncoderSpec, tracks: pa.Table) -> pa.Table:
    """Of registry rows, those that neither `stored_tracks`, `kept_tracks` nor `copied_tracks` has: only audio tells
    of them.
    """
    tables, kept = _alike(lake, spec), {vanished_table(spec)} & lake.names()
    if not tables and not kept:
        return to_be_heard(lake, spec, tracks)
    left = []
    for start in range(0, len(tracks), CHUNK_TRACKS):
        chunk = tracks.slice(start, CHUNK_TRACKS)
        names = chunk.select(["track_id", "source_version"])
        found = [_joined(lake, _joined(lake, names, table, ()), features_table(spec), ()) for table in tables]
        for table in kept:
            rows = _joined(lake, names, table, ("tags_version",))
            found.append(rows.filter(pc.equal(rows["tags_version"], spec.tags_version)).select(names.column_names))
        left.append(chunk.filter(pc.invert(is_among(chunk["track_id"], pa.concat_tables(found)["track_id"]))))
    return to_be_heard(lake, spec, pa.concat_tables([tracks.slice(0, 0), *left]))


def _alike(lake: Lake, spec: EncoderSpec) -> list[str]:
    """Tables of rows of the same backbone, where its features are in the lake."""
    names = lake.names()
    if not spec.stores_features or features_table(spec) not in names:
        return []
    alike = [version.spec for version in versions(lake) if version.spec.feature_version == spec.feature_version]
    return [name for other in alike for name in (embeddings_table(other), vanished_table(other)) if name in names]


def _named(found: pa.Table, tracks: pa.Table) -> pa.Table:
    """What the registry says of tracks by now is what is said of them."""
    said = tracks.select(NAMED_COLUMNS).take(place_in(found["track_id"], tracks["track_id"]))
    return filled(found, said, NAMED_COLUMNS)


def _joined(lake: Lake, tracks: pa.Table, name: str, columns: tuple[str, ...]) -> pa.Table:
    """Adds columns of a table to the tracks that it holds at the same source_version; drops the others."""
    wanted = ["track_id", "source_version", *columns]
    rows = lake.table(name).to_table(columns=wanted, filter=among("track_id", tracks["track_id"].to_pylist()))
    tracks = tracks.filter(alike(tracks, rows))
    place = place_in(tracks["track_id"], rows["track_id"])
    for column in columns:
        tracks = tracks.append_column(rows.schema.field(column), rows[column].take(place))
    return tracks
