"""What a new head or tagger is computed from: stored features, with what a row of the same backbone already knows."""

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from lake.connect import Lake
from lake.sql import among
from lake.versions import versions
from schemas.encoders import EncoderSpec
from schemas.tables import embeddings_table, features_table

CHUNK_TRACKS = 4096
_KNOWN = ("content_sha256", "duration_s", "title", "artist", "album", "genres", "year", "verdicts")


def stored_tracks(lake: Lake, spec: EncoderSpec, tracks: pa.Table) -> Iterator[pa.Table]:
    """Of registry rows, those whose features are in the lake at their current source_version, a chunk at a time.

    Columns: track_id, source_version, features, and all of an embeddings row that no head or tagger decides.
    """
    names = lake.names()
    features = features_table(spec)
    if not spec.stores_features or features not in names:
        return
    alike = [version.spec for version in versions(lake) if version.spec.feature_version == spec.feature_version]
    tables = [embeddings_table(other) for other in alike if embeddings_table(other) in names]
    for start in range(0, len(tracks), CHUNK_TRACKS):
        chunk = tracks.select(["track_id", "source_version"]).slice(start, CHUNK_TRACKS)
        for table in tables:
            found = _joined(lake, _joined(lake, chunk, table, _KNOWN), features, ("features",))
            if len(found):
                yield found
                chunk = chunk.filter(pc.invert(pc.is_in(chunk["track_id"], found["track_id"].combine_chunks())))


def _joined(lake: Lake, tracks: pa.Table, name: str, columns: tuple[str, ...]) -> pa.Table:
    """Adds columns of a table to the tracks that it holds at the same source_version; drops the others."""
    if not len(tracks):
        return tracks
    wanted = ["track_id", "source_version", *columns]
    rows = lake.table(name).to_table(columns=wanted, filter=among("track_id", tracks["track_id"].to_pylist()))
    place = pc.index_in(tracks["track_id"], rows["track_id"].combine_chunks())
    same = pc.fill_null(pc.equal(rows["source_version"].take(place), tracks["source_version"]), False)
    tracks, place = tracks.filter(same), place.filter(same)
    for column in columns:
        tracks = tracks.append_column(rows.schema.field(column), rows[column].take(place))
    return tracks
