"""Reuse of embeddings of identical files.

Two objects are identical if their ETags and sizes in the store's listing are equal. Nothing is downloaded.
"""

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from lake.storage.arrow import coalesce_columns, conform_to, index_in, is_in, same_version, with_column
from lake.storage.filters import in_clause, select_in, string_literal
from lake.storage.lake import Lake
from schemas.embeddings import AUDIO_FACTS, SYNCED_COLUMNS, embeddings_schema, outcome_schema
from schemas.encoders import EncoderSpec
from schemas.tables import embeddings_table, features_table, windows_table
from schemas.tracks import ETAG

CHUNK_TRACKS = 1024  # with all their windows
SCAN_ROWS = 1 << 20  # a batch of ids and versions, each looked up in all pending versions


def from_identical_files(lake: Lake, spec: EncoderSpec, tracks: pa.Table) -> Iterator[pa.Table]:
    """Yield outcomes for the tracks whose file is already embedded as another track.

    `tracks` are registry rows. A chunk is at most 1024 tracks. Vectors, windows, features and tags are the twin's;
    title, artist, album, genres and year are the track's own.
    """
    with_twin, twins = _find_twins(lake, spec, tracks)
    for start in range(0, len(with_twin), CHUNK_TRACKS):
        chunk = with_twin.slice(start, CHUNK_TRACKS), twins.slice(start, CHUNK_TRACKS)
        if len(outcomes := _copy_rows(lake, spec, *chunk)):
            yield outcomes


def representatives(lake: Lake, spec: EncoderSpec, tracks: pa.Table) -> pa.Table:
    """Return the first registry row of each file that is not embedded yet.

    The other rows can be copied, now from an embedded track or later from one of these.
    """
    with_twin, _ = _find_twins(lake, spec, tracks)
    remaining = tracks.filter(pc.invert(is_in(tracks["track_id"], with_twin["track_id"])))
    return split_repeats(remaining)[0]


class Repeats:
    """Registry rows whose file an earlier row has too.

    `twins` are these earlier rows, in the same order as `tracks`.
    """

    def __init__(self, tracks: pa.Table, twins: pa.Table) -> None:
        self._tracks, self._twins = tracks, twins
        self._rows_of: dict[str, list[int]] = {}  # by the twin's track_id
        for row, twin in enumerate(twins["track_id"].to_pylist()):
            self._rows_of.setdefault(twin, []).append(row)

    @property
    def left(self) -> pa.Table:
        """The rows that were not copied."""
        return self._tracks.take(_indices(sorted(row for rows in self._rows_of.values() for row in rows)))

    def copy(self, outcomes: pa.Table, spec: EncoderSpec) -> pa.Table:
        """Return outcomes of twins as outcomes of their repeats.

        Twins that are not embedded, or whose file changed since it was listed, give none. The facts of the audio,
        whose key is the content, are left out.
        """
        schema = outcome_schema(spec)
        embedded = outcomes.filter(pc.equal(outcomes["outcome"], "embedded"))
        numbers, rows = [], []
        for number, (twin, version) in enumerate(_versions(embedded)):
            if twin in self._rows_of and version == self._twins["source_version"][self._rows_of[twin][0]].as_py():
                repeats = self._rows_of.pop(twin)
                rows += repeats
                numbers += [number] * len(repeats)
        facts = [name for name in AUDIO_FACTS.names if name not in embeddings_schema(spec).names]
        embedded = embedded.drop_columns([name for name in facts if name in embedded.column_names])
        return _as_copies(
            embedded.take(_indices(numbers)),
            self._tracks.take(_indices(rows)),
            self._twins.take(_indices(rows)),
            schema,
        )


def _indices(numbers: list[int]) -> pa.Array:
    return pa.array(numbers, pa.int64())


def _versions(rows: pa.Table) -> Iterator[tuple[str, str]]:
    return zip(rows["track_id"].to_pylist(), rows["source_version"].to_pylist(), strict=True)


def split_repeats(tracks: pa.Table) -> tuple[pa.Table, Repeats]:
    """Split registry rows into the first row of each file and its repeats."""
    first, is_repeat = _first_rows(tracks)
    return tracks.filter(pc.invert(is_repeat)), Repeats(tracks.filter(is_repeat), tracks.take(first.filter(is_repeat)))


def _first_rows(tracks: pa.Table) -> tuple[pa.Array, pa.Array]:
    """Return for each row the first row of its file, and whether it repeats that."""
    keys = _file_keys(tracks)
    first = pc.index_in(keys, keys, skip_nulls=True)
    return first, pc.fill_null(pc.less(first, pa.array(range(len(tracks)), first.type)), False)


def _file_keys(tracks: pa.Table) -> pa.Array:
    """Return ETag and size of each row's file; null where the version is no ETag."""
    tracks = tracks.combine_chunks()
    keys = pc.binary_join_element_wise(tracks["source_version"], pc.cast(tracks["size"], pa.string()), " ")
    has_etag = pc.match_substring_regex(tracks["source_version"], ETAG)
    return pa.chunked_array(pc.if_else(has_etag, keys, None).chunks, pa.string()).combine_chunks()


def _find_twins(lake: Lake, spec: EncoderSpec, tracks: pa.Table) -> tuple[pa.Table, pa.Table]:
    """Return the registry rows that have a twin, and those of their twins.

    Both are in the same order. A twin is an active track with the same file whose embeddings row was computed from
    that file.
    """
    none = tracks.slice(0, 0)
    keys = _file_keys(tracks)
    table = lake.find_table(embeddings_table(spec)) if keys.null_count < len(keys) else None
    if table is None:
        return none, none
    versions = pc.unique(tracks["source_version"].filter(pc.is_valid(keys)))
    columns = ["track_id", "source_version"]
    batches = table.to_batches(
        columns=columns, filter=f"tags_version = {string_literal(spec.tags_version)}", batch_size=SCAN_ROWS
    )
    matching = [batch.filter(pc.is_in(batch["source_version"], versions)) for batch in batches]  # not all rows at once
    embedded = pa.Table.from_batches(matching) if matching else none.select(columns)
    ids, wanted = embedded["track_id"].to_pylist(), [*columns, "size", *SYNCED_COLUMNS]
    twins = select_in(lake.table("tracks"), "track_id", ids, wanted, "state = 'active'")
    twins = twins.filter(same_version(twins, embedded))
    index = pc.index_in(keys, _file_keys(twins), skip_nulls=True)
    return tracks.filter(pc.is_valid(index)), twins.take(pc.drop_null(index))


def _copy_rows(lake: Lake, spec: EncoderSpec, tracks: pa.Table, twins: pa.Table) -> pa.Table:
    """Return the twins' rows as outcomes of `tracks`, for the twins whose rows are complete."""
    schema = outcome_schema(spec)
    rows = _aligned_rows(lake, embeddings_table(spec), twins)
    copies = rows.append_column("outcome", pa.repeat("embedded", len(rows)))
    for name, table in (("window_vectors", windows_table(spec)), ("features", features_table(spec))):
        if lake.find_table(table) is not None:
            copies = copies.append_column(schema.field(name), _aligned_rows(lake, table, twins)[name])
    copies = _as_copies(copies, tracks, twins, schema)
    complete = pc.is_valid(rows["track_id"])
    if spec.stores_features:  # without features the twin is incomplete, and this track is decoded
        complete = pc.and_(complete, pc.is_valid(copies["features"]))
    return copies.filter(complete)


def _as_copies(rows: pa.Table, tracks: pa.Table, twins: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return the rows of `twins` as outcomes of `tracks`.

    The three are in the same order.
    """
    for name in SYNCED_COLUMNS:  # where the twin's registry row has a null, the value came from the file's own tags
        from_registry = pc.is_valid(twins[name])
        null = pa.scalar(None, schema.field(name).type)
        rows = with_column(rows, name, pc.if_else(from_registry, null, rows[name]))
    rows = with_column(coalesce_columns(rows, tracks, SYNCED_COLUMNS), "track_id", tracks["track_id"])
    return conform_to(rows, schema)


def _aligned_rows(lake: Lake, name: str, tracks: pa.Table) -> pa.Table:
    """Return the rows of table `name` for `tracks`, in their order.

    A row is null where the table has none of the same version.
    """
    ids = pc.unique(tracks["track_id"]).to_pylist()
    rows = lake.table(name).to_table(filter=in_clause("track_id", ids))
    rows = rows.filter(same_version(rows, tracks))
    return rows.take(index_in(tracks["track_id"], rows["track_id"]))
