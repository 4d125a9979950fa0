"""Search in the embeddings table of one version, by vector and by SQL filter."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import lance
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lake.catalogue.track_names import is_full_id, matching_tracks, only_match
from lake.embeddings.filters import NO_FILTER, Filter
from lake.embeddings.registry_columns import resolve_where
from lake.embeddings.stale import stale_times
from lake.embeddings.vector_index import index_effort, search_index, vector_index_of
from lake.storage.arrow import index_in, string_column
from lake.storage.filters import select_in, string_literal
from lake.storage.lake import Lake
from lake.storage.vectors import to_matrix
from schemas.encoders import EncoderSpec
from schemas.errors import UserError
from schemas.rights import RIGHTS_COLUMNS
from schemas.search import SearchHit, TagScore
from schemas.tables import embeddings_table

_COLUMNS = ["track_id", "source_version", "title", "artist", "album", "year", "genres", "tags", "duration_s"]
_GONE = "Not found: "  # Lance's words for a file that a takedown or a cleanup has removed
_KEPT_ROWS = 20_000  # in smaller tables a filter costs less than a search
_DESCRIPTION = ["bpm", "musical_key", "mode", "loudness_lufs"]


def search(
    lake: Lake, spec: EncoderSpec, query: np.ndarray | None, k: int, condition: Filter = NO_FILTER
) -> list[SearchHit]:
    """Return the k tracks nearest to a unit vector [dim] by cosine.

    Without a vector, returns k tracks that pass the filter: those with the highest score of its tags, if it has some.
    Raises UserError if the filter is not valid SQL.
    """
    columns = hit_columns(lake, spec)
    if query is None:
        return make_hits(lake, spec, *passing_rows(lake, spec, k, columns, condition))
    rows = nearest_rows(lake, spec, query, k, columns, condition)
    return make_hits(lake, spec, rows, cosines(rows))


def passing_rows(
    lake: Lake, spec: EncoderSpec, k: int, columns: list[str], condition: Filter
) -> tuple[pa.Table, list[float | None]]:
    """Return `columns` of k rows that pass the filter, and their scores.

    If the filter has tags, these are the rows with the highest score of them; else there are no scores.
    Raises UserError if the filter is not valid SQL.
    """
    if condition.tags:
        return _best_tagged_rows(lake, spec, k, columns, condition)
    rows = nearest_rows(lake, spec, None, k, columns, condition)
    return rows, [None] * len(rows)


def hit_columns(lake: Lake, spec: EncoderSpec) -> list[str]:
    """Return the columns of the embeddings table that a hit is made of."""
    stored = _open(lake, spec).schema.names
    return _COLUMNS + [name for name in _DESCRIPTION if name in stored]  # an earlier tonelake had no descriptions


def cosines(rows: pa.Table) -> list[float | None]:
    """Return the cosine of each row of `nearest_rows`, rounded to six digits."""
    return [round(1 - distance, 6) for distance in rows["_distance"].to_pylist()]


def make_hits(lake: Lake, spec: EncoderSpec, rows: pa.Table, scores: Sequence[float | None]) -> list[SearchHit]:
    """Return a hit for each row, in order. The rows have the columns of `hit_columns`."""
    track_ids = rows["track_id"].to_pylist()
    registered, stale = _registered(lake, track_ids), stale_times(lake, spec, track_ids)
    described = [name for name in _DESCRIPTION if name in rows.column_names]
    return [
        SearchHit(
            rank=rank,
            track_id=row["track_id"],
            title=row["title"],
            artist=row["artist"],
            album=row["album"],
            year=row["year"],
            genres=tuple(row["genres"] or ()),
            score=score,
            tags=tuple(_by_score(row["tags"])),
            stale_since=stale.get(row["track_id"]),
            duration_s=row["duration_s"],
            **registered.get(row["track_id"], {"uri": None}),
            **{name: row[name] for name in described},
        )
        for rank, (row, score) in enumerate(zip(rows.to_pylist(), scores, strict=True), start=1)
    ]


def nearest_rows(
    lake: Lake,
    spec: EncoderSpec,
    query: np.ndarray | None,
    k: int,
    columns: list[str],
    condition: Filter = NO_FILTER,
    exact: bool = True,
) -> pa.Table:
    """Return `columns` of the k rows nearest to a unit vector [dim].

    `_distance` is added: 1 - cosine; through an index it is inexact unless `exact`. Without a vector, returns any k
    rows that pass the filter, without `_distance`. Raises UserError if the filter is not valid SQL.
    """
    table = _open(lake, spec)
    with explain_filter(condition):
        scan = resolve_where(lake, table, condition).scan(table)
        if query is None:
            return table.scanner(columns=columns, limit=k, **scan).to_table()
        nearest = {"column": "vector", "q": query.astype(np.float32), "k": k, "metric": "cosine"}
        nearest |= index_effort(table, k, is_filtered=len(scan) > 1 or scan["filter"] is not None, exact=exact)
        scan |= {"columns": [*columns, "_distance"], "prefilter": True}
        rows = search_index(table, nearest, **scan)
        if len(rows) < k and vector_index_of(table):  # the index looks into some of its lists only
            rows = table.scanner(nearest=nearest | {"use_index": False}, **scan).to_table()
        return rows


def read_passing(lake: Lake, spec: EncoderSpec, columns: list[str], condition: Filter) -> pa.Table:
    """Return `columns` of all rows that pass the filter. Raises UserError if the filter is not valid SQL."""
    table = _open(lake, spec)
    with explain_filter(condition):
        rows: pa.Table = table.scanner(columns=columns, **resolve_where(lake, table, condition).scan(table)).to_table()
    return rows


def nearest_vectors(
    lake: Lake, spec: EncoderSpec, query: np.ndarray, count: int, condition: Filter = NO_FILTER
) -> tuple[list[str], np.ndarray]:
    """Return ids and vectors [N, dim] of the `count` nearest rows to a unit vector.

    They are candidates, to be scored by their vectors: through an index, some of the nearest may be missing. Raises
    UserError if the filter is not valid SQL.
    """
    rows = nearest_rows(lake, spec, query, count, ["track_id", "vector"], condition, exact=False)
    return rows["track_id"].to_pylist(), to_matrix(rows["vector"])


def sample_vectors(lake: Lake, spec: EncoderSpec, count: int) -> np.ndarray:
    """Return the vectors [N, dim] of `count` rows, spread over the table.

    A table of fewer rows gives all of them.
    """
    table = _open(lake, spec)
    total = table.count_rows()
    indices = np.linspace(0, total - 1, min(count, total)).astype(int).tolist()
    return to_matrix(table.take(indices, columns=["vector"])["vector"])


def rows_of(lake: Lake, spec: EncoderSpec, track_ids: Sequence[str], columns: list[str]) -> pa.Table:
    """Return `columns` of these tracks, in their order; a repeated id has its row again. `columns` has track_id."""
    rows = select_in(_open(lake, spec), "track_id", sorted(set(track_ids)), columns)
    return rows.take(index_in(string_column(track_ids), rows["track_id"]))


def resolve_filter(lake: Lake, spec: EncoderSpec, condition: Filter) -> Filter:
    """Return a filter without SQL on columns that the embeddings table lacks, for several searches.

    Raises UserError if the filter is not valid SQL, or names a column that no track has.
    """
    with explain_filter(condition):
        return resolve_where(lake, _open(lake, spec), condition)


def find_passing(lake: Lake, spec: EncoderSpec, condition: Filter) -> Filter:
    """Return the filter that `resolve_filter` returns; of a large table it knows which rows pass.

    To find them takes as long as some searches: this is for a filter that is kept. Raises UserError as
    `resolve_filter` does.
    """
    table, resolved = _open(lake, spec), resolve_filter(lake, spec, condition)
    if not resolved.has_conditions() or table.count_rows() < _KEPT_ROWS:
        return resolved
    passing = resolved.keep_rows()
    with explain_filter(condition):
        passing.scan(table)
    return passing


def _best_tagged_rows(
    lake: Lake, spec: EncoderSpec, k: int, columns: list[str], condition: Filter
) -> tuple[pa.Table, list[float | None]]:
    """Return the k rows with the highest score of the filter's tags, and the scores.

    Of several tags the lowest score counts. Equal scores are in order of ids. Only the k best rows are in memory at a
    time, and one batch.
    """
    table = _open(lake, spec)
    best = pa.table({"track_id": pa.array([], pa.string()), "score": pa.array([], pa.float32())})
    with explain_filter(condition):
        scan = resolve_where(lake, table, condition).scan(table)
        for batch in table.scanner(columns=["track_id", "tags"], **scan).to_batches():
            tags = pc.list_flatten(batch["tags"])
            is_tag = pc.is_in(pc.struct_field(tags, "name"), pa.array(condition.tags))
            ids = batch["track_id"].take(pc.list_parent_indices(batch["tags"]).filter(is_tag))
            scores = pa.table({"track_id": ids, "score": pc.struct_field(tags, "score").filter(is_tag)})
            scored = scores.group_by("track_id").aggregate([("score", "min")]).rename_columns(["track_id", "score"])
            ordered = pa.concat_tables([best, scored]).sort_by([("score", "descending"), ("track_id", "ascending")])
            best = ordered.slice(0, k).combine_chunks()
    rows = rows_of(lake, spec, best["track_id"].to_pylist(), columns)
    return rows, [round(score, 4) for score in best["score"].to_pylist()]


@contextmanager
def explain_filter(condition: Filter) -> Iterator[None]:
    """Raise UserError where Lance refuses the user's SQL."""
    try:
        yield
    except (ValueError, OSError, RuntimeError) as error:  # RuntimeError: SQL that its parser does not know
        if condition.where and _GONE not in str(error):
            raise UserError(f"cannot search with --where {condition.where!r}: {_first_line(error)}") from error
        raise


def find_tracks(lake: Lake, spec: EncoderSpec, name: str) -> dict[str, str]:
    """Return the tracks that a name may mean: id -> path or title."""
    return {name: name} if is_full_id(name) else matching_tracks(lake, name, _open(lake, spec))


def find_track(lake: Lake, spec: EncoderSpec, name: str) -> str:
    """Return the id of the track that a name means.

    A name is an id, its beginning of at least 8 digits, a path or a title. Raises UserError if no track of the version
    or several have the name.
    """
    return only_match(name, find_tracks(lake, spec, name))


def read_vector(lake: Lake, spec: EncoderSpec, track_id: str) -> np.ndarray:
    """Return a track's vector, float32 [dim].

    Raises UserError if the table has no such track.
    """
    return np.asarray(_read_value(lake, spec, track_id, "vector"), dtype=np.float32)


def read_tags(lake: Lake, spec: EncoderSpec, track_id: str) -> list[TagScore]:
    """Return a track's tags, best first.

    Raises UserError if the table has no such track.
    """
    return _by_score(_read_value(lake, spec, track_id, "tags"))


def _open(lake: Lake, spec: EncoderSpec) -> lance.LanceDataset:
    return lake.table(embeddings_table(spec))


def _read_value(lake: Lake, spec: EncoderSpec, track_id: str, column: str) -> Any:
    rows = _open(lake, spec).to_table(columns=[column], filter=f"track_id = {string_literal(track_id)}").to_pylist()
    if not rows:
        raise UserError(f"no track {track_id} in {embeddings_table(spec)}; `tonelake search` prints track ids")
    return rows[0][column]


def _by_score(tags: list[dict[str, Any]] | None) -> list[TagScore]:
    ordered = sorted(tags or [], key=lambda tag: -tag["score"])
    return [TagScore(tag["name"], round(tag["score"], 4)) for tag in ordered]


def _registered(lake: Lake, track_ids: list[str]) -> dict[str, dict[str, Any]]:
    """Return what the registry knows of tracks, by track_id: fields of a SearchHit."""
    registry = lake.table("tracks")
    known = [name for name in ("uri", "isrc", *RIGHTS_COLUMNS, "extra") if name in registry.schema.names]
    rows = select_in(registry, "track_id", track_ids, ["track_id", *known]).to_pylist()
    return {
        row.pop("track_id"): {name: value or None for name, value in row.items()}
        | {"territories": tuple(row.get("territories") or ()), "extra": _read_extra(row["extra"])}
        for row in rows
    }


def _read_extra(text: str | None) -> dict[str, Any]:
    """Return the manifest's own columns of a track. NaN and infinity, which JSON has not, are None."""
    extra: dict[str, Any] = json.loads(text or "{}", parse_constant=lambda _: None)
    return extra


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0].split(", /")[0]
