"""The table `descriptions`: tempo, key and loudness of each content; copies in embedded rows.

A content is described once, whichever track has it. Its description is renewed when the methods change: then
DESCRIPTION_VERSION differs from that of the row.
"""

from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from lake.storage.arrow import any_differs, conform_to, first_of_each, index_in, is_in
from lake.storage.filters import select_in, string_literal
from lake.storage.lake import Lake
from lake.storage.lease import Lease
from schemas import clock
from schemas.descriptions import DESCRIPTION_NAMES, DESCRIPTION_VERSION, DESCRIPTIONS
from schemas.embeddings import embeddings_schema
from schemas.encoders import EncoderSpec
from schemas.settings import Settings
from schemas.tables import embeddings_table

TABLE = "descriptions"
_FILE_COLUMNS = ["track_id", "source_version", "content_sha256"]
CHUNK_ROWS = 8192
_CURRENT = f"description_version = {string_literal(DESCRIPTION_VERSION)}"
_NOT_CURRENT = f"description_version IS NULL OR NOT {_CURRENT}"


@dataclass(frozen=True, slots=True)
class DescribedRows:
    """The embedded rows of a version: `described` ones, and those without a current description."""

    encoder: str
    embedding_version: str
    described: int
    undescribed: int

    def to_json(self) -> dict[str, Any]:
        """Return the fields as a JSON object."""
        return asdict(self)


class DescriptionWriter:
    """A buffer of descriptions, in outcomes of workers, that are merged by content."""

    def __init__(self, lake: Lake, lease: Lease, settings: Settings) -> None:
        self._lake, self._lease, self._settings = lake, lease, settings
        self._buffer: list[pa.Table] = []
        self._flushed_at = clock.monotonic()

    def add(self, outcomes: pa.Table) -> None:
        """Buffer the descriptions of a batch; commit once the buffer is large or old."""
        embedded = outcomes.filter(pc.equal(outcomes["outcome"], "embedded"))
        self._buffer.append(current_rows(embedded).select(DESCRIPTIONS.names))
        late = clock.monotonic() - self._flushed_at >= self._settings.commit_seconds
        if late or sum(map(len, self._buffer)) >= self._settings.commit_rows:
            self.flush()

    def flush(self) -> None:
        """Commit the buffered descriptions."""
        rows = pa.concat_tables(self._buffer) if self._buffer else DESCRIPTIONS.empty_table()
        self._buffer, self._flushed_at = [], clock.monotonic()
        if len(rows):
            rows = first_of_each(rows, "content_sha256").cast(DESCRIPTIONS)
            self._lake.upsert(TABLE, DESCRIPTIONS, rows, self._lease.check)


def current_rows(rows: pa.Table) -> pa.Table:
    """Return the rows whose description is of today's methods."""
    return rows.filter(pc.equal(rows["description_version"], DESCRIPTION_VERSION))


def find_undescribed(lake: Lake, spec: EncoderSpec) -> pa.Table:
    """Return embedded rows whose description is missing, not current, or not their content's.

    The columns are track_id, source_version, content_sha256 and those of the description. The table of descriptions is
    in memory meanwhile.
    """
    table, schema = lake.find_table(embeddings_table(spec)), embeddings_schema(spec)
    schema = pa.schema([schema.field(name) for name in (*_FILE_COLUMNS, *DESCRIPTION_NAMES)])
    if table is None:
        return schema.empty_table()
    known = [name for name in schema.names if name in table.schema.names]  # an earlier tonelake knew fewer
    rows = conform_to(table.to_table(columns=known), schema)
    stored = lake.find_table(TABLE)
    described = current_rows(stored.to_table() if stored is not None else DESCRIPTIONS.empty_table())
    due = described.take(index_in(rows["content_sha256"], described["content_sha256"]))
    undescribed = pc.or_(pc.is_null(due["description_version"]), any_differs(rows, due, DESCRIPTION_NAMES))
    return rows.filter(undescribed)


def count_described(lake: Lake, spec: EncoderSpec) -> DescribedRows:
    """Count the embedded rows of a version with and without a current description."""
    table = lake.find_table(embeddings_table(spec))
    rows = table.count_rows() if table is not None else 0
    described = 0
    if table is not None and "description_version" in table.schema.names:
        described = table.count_rows(_CURRENT)
    return DescribedRows(spec.name, spec.embedding_version, described, rows - described)


def sync_descriptions(lake: Lake, spec: EncoderSpec, lease: Lease) -> int:
    """Copy current descriptions to embedded rows that have none or an older one. No audio is read.

    Such rows are copies of earlier ones, or were written before the content was described. Returns how many rows got a
    description.
    """
    table = lake.find_table(embeddings_table(spec))
    if table is None or lake.find_table(TABLE) is None:
        return 0
    where = _NOT_CURRENT if "description_version" in table.schema.names else None
    return copy_descriptions(lake, spec, lease, table.to_table(columns=_FILE_COLUMNS, filter=where))


def copy_descriptions(lake: Lake, spec: EncoderSpec, lease: Lease, rows: pa.Table) -> int:
    """Copy the current descriptions of their contents to embedded rows; return to how many."""
    stored = lake.find_table(TABLE) if len(rows) else None
    if stored is None:
        return 0
    # A lake that was never described has few of the contents, or none: they must not be asked for chunk by chunk.
    contents = stored.to_table(columns=["content_sha256"], filter=_CURRENT)["content_sha256"]
    rows = rows.filter(is_in(rows["content_sha256"], contents))
    for start in range(0, len(rows), CHUNK_ROWS):
        chunk = rows.slice(start, CHUNK_ROWS)
        described = select_in(stored, "content_sha256", pc.unique(chunk["content_sha256"]).to_pylist())
        copies = described.take(index_in(chunk["content_sha256"], described["content_sha256"]))
        copies = copies.select(DESCRIPTION_NAMES).append_column("track_id", chunk["track_id"])
        table = lake.open_or_create(embeddings_table(spec), embeddings_schema(spec))
        lease.check()
        table.merge_insert("track_id").when_matched_update_all().execute(copies)
    return len(rows)
