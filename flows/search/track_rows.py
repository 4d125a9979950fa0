"""Rows and hits of tracks by their ids, in the order of the ids."""

from collections.abc import Sequence

import pyarrow as pa

from flows.search.reader import Reader
from lake.embeddings.search import hit_columns, make_hits, rows_of
from schemas.search import SearchHit


def read_rows(reader: Reader, track_ids: Sequence[str], columns: Sequence[str]) -> pa.Table:
    """Return a row of the embeddings table for each id; the table has them all. A repeated id has its row again."""
    return rows_of(reader.lake, reader.spec, track_ids, list(dict.fromkeys(["track_id", *columns])))


def read_hits(reader: Reader, track_ids: Sequence[str]) -> list[SearchHit]:
    """Return a hit without a score for each id."""
    rows = read_rows(reader, track_ids, hit_columns(reader.lake, reader.spec))
    return make_hits(reader.lake, reader.spec, rows, [None] * len(rows))
