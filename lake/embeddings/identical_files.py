"""Tracks whose file is another's, byte for byte, as far as the store's listing tells: their rows are copied, not
computed. Nothing is fetched.
"""

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from lake.storage.arrow import alike, completed, filled, is_among, place_in, with_column
from lake.storage.filters import among, quoted, rows_among
from lake.storage.lake import Lake
from schemas.embeddings import NAMED_COLUMNS, outcome_schema
from schemas.encoders import EncoderSpec
from schemas.tables import embeddings_table, features_table, windows_table
from schemas.tracks import ETAG

CHUNK_TRACKS = 1024  # with all their windows
SCAN_ROWS = 1 << 20  # ids and versions alone; each batch looks all pending versions up


def copied_tracks(lake: Lake, spec: EncoderSpec, tracks: pa.Table) -> Iterator[pa.Table]:
    """Of registry rows, those whose file is that of a track embedded under this very version: their outcomes.

    A chunk at a time. Vectors, windows, features and tags are the twin's; the names are the track's own.
    """
    ours, twins = _with_twins(lake, spec, tracks)
    for start in range(0, len(ours), CHUNK_TRACKS):
        chunk = ours.slice(start, CHUNK_TRACKS), twins.slice(start, CHUNK_TRACKS)
        if len(found := _copied(lake, spec, *chunk)):
            yield found


def to_be_heard(lake: Lake, spec: EncoderSpec, tracks: pa.Table) -> pa.Table:
    """Of registry rows, the first of each file that no embedded track has: the others can be copied, now or then."""
    ours, _ = _with_twins(lake, spec, tracks)
    left = tracks.filter(pc.invert(is_among(tracks["track_id"], ours["track_id"])))
    return left.filter(pc.invert(repeats(left)))


def repeats(tracks: pa.Table) -> pa.Array:
    """Row by row: has an earlier row the same file?"""
    keys = _files(tracks)
    first = pc.index_in(keys, keys, skip_nulls=True)
    return pc.fill_null(pc.less(first, pa.array(range(len(tracks)), first.type)), False)


def _files(tracks: pa.Table) -> pa.Array:
    """What tells one content from another without reading it, ETag and size; null where there is no ETag."""
    tracks = tracks.combine_chunks()
    told = pc.binary_join_element_wise(tracks["source_version"], pc.cast(tracks["size"], pa.string()), " ")
    known = pc.match_substring_regex(tracks["source_version"], ETAG)
    return pa.chunked_array(pc.if_else(known, told, None).chunks, pa.string()).combine_chunks()


def _with_twins(lake: Lake, spec: EncoderSpec, tracks: pa.Table) -> tuple[pa.Table, pa.Table]:
    """Of registry rows, those that have a twin, and row by row the twin's: an active track with the same file, whose
    row in search was computed from it.
    """
    none = tracks.slice(0, 0)
    files, names = _files(tracks), lake.names()
    if embeddings_table(spec) not in names or files.null_count == len(files):
        return none, none
    versions = pc.unique(tracks["source_version"].filter(pc.is_valid(files)))
    columns, ours = ["track_id", "source_version"], f"tags_version = {quoted(spec.tags_version)}"
    table = lake.table(embeddings_table(spec))
    scanned = table.to_batches(columns=columns, filter=ours, batch_size=SCAN_ROWS)
    found = [batch.filter(pc.is_in(batch["source_version"], versions)) for batch in scanned]  # not all rows in memory
    rows = pa.Table.from_batches(found) if found else none.select(columns)
    ids, wanted = rows["track_id"].to_pylist(), [*columns, "size", *NAMED_COLUMNS]
    twins = rows_among(lake.table("tracks"), "track_id", ids, wanted, "state = 'active'")
    twins = twins.filter(alike(twins, rows))
    place = pc.index_in(files, _files(twins), skip_nulls=True)
    return tracks.filter(pc.is_valid(place)), twins.take(pc.drop_null(place))


def _copied(lake: Lake, spec: EncoderSpec, ours: pa.Table, twins: pa.Table) -> pa.Table:
    schema = outcome_schema(spec)
    rows = _rows_of(lake, embeddings_table(spec), twins)
    copies = rows.append_column("outcome", pa.repeat("embedded", len(rows)))
    for name, table in (("window_vectors", windows_table(spec)), ("features", features_table(spec))):
        if table in lake.names():
            copies = copies.append_column(schema.field(name), _rows_of(lake, table, twins)[name])
    for name in NAMED_COLUMNS:  # what stands in the twin's row is the file's own word where the registry had none
        spoken = pc.is_valid(twins[name])
        copies = with_column(copies, name, pc.if_else(spoken, pa.scalar(None, schema.field(name).type), copies[name]))
    copies = with_column(filled(copies, ours, NAMED_COLUMNS), "track_id", ours["track_id"])
    copies = completed(copies, schema)
    whole = pc.is_valid(rows["track_id"])
    if spec.stores_features:  # a twin without them is not complete: this track is heard
        whole = pc.and_(whole, pc.is_valid(copies["features"]))
    return copies.filter(whole)


def _rows_of(lake: Lake, name: str, tracks: pa.Table) -> pa.Table:
    """Row by row the tracks' rows of a table, null where it has none of that version of the file."""
    ids = pc.unique(tracks["track_id"]).to_pylist()
    rows = lake.table(name).to_table(filter=among("track_id", ids))
    rows = rows.filter(alike(rows, tracks))
    return rows.take(place_in(tracks["track_id"], rows["track_id"]))
