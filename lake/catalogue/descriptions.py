"""The table `descriptions`: tempo, key and loudness of each content; copies in embedded rows.

A content is described once, whichever track has it. Its description is renewed when the methods change: then
DESCRIPTION_VERSION differs from that of the row.
"""

from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from lake.storage.arrow import any_differs, index_in, is_in
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
_OTHER_VERSION = f"description_version IS NULL OR description_version != {string_literal(DESCRIPTION_VERSION)}"


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
            first = pc.index_in(pc.unique(rows["content_sha256"]), rows["content_sha256"])
            self._lake.upsert(TABLE, DESCRIPTIONS, rows.take(first).cast(DESCRIPTIONS), self._lease.check)


def current_rows(rows: pa.Table) -> pa.Table:
    """Return the rows whose description is of today's methods."""
    return rows.filter(pc.equal(rows["description_version"], DESCRIPTION_VERSION))


def find_undescribed(lake: Lake, spec: EncoderSpec) -> pa.Table:
    """Return embedded rows whose description is missing, not current, or not their content's.

    The columns are track_id, source_version and content_sha256. The table of descriptions is in memory meanwhile.
    """
    table = lake.find_table(embeddings_table(spec))
    if table is None:
        return embeddings_schema(spec).empty_table().select(_FILE_COLUMNS)
    if "description_version" not in table.schema.names:
        return table.to_table(columns=_FILE_COLUMNS)
    rows = table.to_table(columns=[*_FILE_COLUMNS, *DESCRIPTION_NAMES])
    stored = lake.find_table(TABLE)
    described = current_rows(stored.to_table() if stored is not None else DESCRIPTIONS.empty_table())
    due = described.take(index_in(rows["content_sha256"], described["content_sha256"]))
    undescribed = pc.or_(pc.is_null(due["description_version"]), any_differs(rows, due, DESCRIPTION_NAMES))
    return rows.filter(undescribed).select(_FILE_COLUMNS)


def count_described(lake: Lake, spec: EncoderSpec) -> DescribedRows:
    """Count the embedded rows of a version with and without a current description."""
    table = lake.find_table(embeddings_table(spec))
    rows = table.count_rows() if table is not None else 0
    described = 0
    if table is not None and "description_version" in table.schema.names:
        described = table.count_rows(f"description_version = {string_literal(DESCRIPTION_VERSION)}")
    return DescribedRows(spec.name, spec.embedding_version, described, rows - described)


def sync_descriptions(lake: Lake, spec: EncoderSpec, lease: Lease) -> int:
    """Copy current descriptions to embedded rows that have none or an older one. No audio is read.

    Such rows are copies of earlier ones, or were written before the content was described. Returns how many rows got a
    description.
    """
    table = lake.find_table(embeddings_table(spec))
    if table is None or lake.find_table(TABLE) is None:
        return 0
    has_columns = "description_version" in table.schema.names
    return copy_descriptions(
        lake, spec, lease, table.to_table(columns=_FILE_COLUMNS, filter=_OTHER_VERSION if has_columns else None)
    )


def copy_descriptions(lake: Lake, spec: EncoderSpec, lease: Lease, rows: pa.Table) -> int:
    """Copy the current descriptions of their contents to embedded rows; return to how many."""
    stored, count = lake.find_table(TABLE), 0
    if stored is None:
        return 0
    for start in range(0, len(rows), CHUNK_ROWS):
        chunk = rows.slice(start, CHUNK_ROWS)
        contents = pc.unique(chunk["content_sha256"]).to_pylist()
        described = current_rows(select_in(stored, "content_sha256", contents))
        chunk = chunk.filter(is_in(chunk["content_sha256"], described["content_sha256"]))
        if not len(chunk):
            continue
        copies = described.take(index_in(chunk["content_sha256"], described["content_sha256"]))
        copies = copies.select(DESCRIPTION_NAMES).append_column("track_id", chunk["track_id"])
        table = lake.open_or_create(embeddings_table(spec), embeddings_schema(spec))
        lease.check()
        table.merge_insert("track_id").when_matched_update_all().execute(copies)
        count += len(copies)
    return count
