"""The one writer of a run: outcomes from the workers become rows, in few commits."""

from collections import Counter

import lance
import pyarrow as pa
import pyarrow.compute as pc

from lake.catalogue import descriptions
from lake.embeddings.stretches import stretch_vectors
from lake.storage.arrow import first_of_each
from lake.storage.filters import in_clause
from lake.storage.lake import Lake
from lake.storage.lease import Lease
from schemas import clock
from schemas.descriptions import DESCRIPTIONS
from schemas.embeddings import AUDIO_FACTS, QUARANTINE, embeddings_schema, features_schema, windows_schema
from schemas.encoders import EncoderSpec
from schemas.runs import CoverageError
from schemas.settings import Settings
from schemas.tables import embeddings_table, features_table, key_column, windows_table

MAX_BUFFER_BYTES = 256 << 20


class Committer:
    """A buffer of outcomes that are merged by key.

    A key that is written twice is one row, whatever crashed in between. Windows, features and facts are written first.
    The embeddings row is written last: it completes the track.
    """

    def __init__(self, lake: Lake, spec: EncoderSpec, lease: Lease, run_id: str, settings: Settings) -> None:
        self.lake, self._spec, self._lease, self._run_id, self._settings = lake, spec, lease, run_id, settings
        self._embeddings = lake.open_or_create(embeddings_table(spec), embeddings_schema(spec))
        self._rows_before = self._embeddings.count_rows()
        self._deleted = 0
        self._buffer: list[pa.Table] = []
        self._flushed_at = clock.monotonic()
        self.attempts: dict[str, int] = {}  # of earlier runs, by track_id
        self.inserted = 0
        self.replaced = 0
        self.reasons: Counter[str] = Counter()
        self.commits = 0
        self.bytes_written = 0

    @property
    def embedded(self) -> int:
        return self.inserted + self.replaced

    @property
    def quarantined(self) -> int:
        return sum(self.reasons.values())

    def add(self, outcomes: pa.Table) -> None:
        """Buffer a batch with the columns of `outcome_schema`.

        Commits once the buffer has `commit_rows` rows, `commit_seconds` of age or 256 MB.
        """
        self._buffer.append(outcomes.filter(pc.not_equal(outcomes["outcome"], "pending")))
        late = clock.monotonic() - self._flushed_at >= self._settings.commit_seconds
        many = sum(len(table) for table in self._buffer) >= self._settings.commit_rows
        if late or many or sum(table.nbytes for table in self._buffer) >= MAX_BUFFER_BYTES:
            self.flush()

    def flush(self) -> None:
        """Commit the buffered outcomes."""
        rows = pa.concat_tables(self._buffer) if self._buffer else None
        self._buffer, self._flushed_at = [], clock.monotonic()
        if not rows:
            return
        embedded = rows.filter(pc.equal(rows["outcome"], "embedded"))
        quarantined = rows.filter(pc.equal(rows["outcome"], "quarantined"))
        if len(embedded):
            self._write_embedded(embedded)
        if len(quarantined):
            self._write_quarantined(quarantined)

    def delete_embedded(self, track_ids: list[str]) -> None:
        """Delete the embeddings rows of tracks whose loss a person has accepted."""
        self._deleted += self._delete(embeddings_table(self._spec), "track_id", track_ids)

    def verify(self) -> None:
        """Check, from counts of the table itself, that every written row is there once.

        Raises CoverageError if not, LeaseLost if another run has written meanwhile.
        """
        self._lease.check()
        keys = self.lake.table(embeddings_table(self._spec)).to_table(columns=["track_id"])["track_id"]
        rows, distinct = len(keys), pc.count_distinct(keys).as_py()
        due = self._rows_before + self.inserted - self._deleted
        if not rows == distinct == due:
            raise CoverageError(f"{embeddings_table(self._spec)} has {rows} rows of {distinct} tracks, {due} are due")

    def _write_embedded(self, rows: pa.Table) -> None:
        spec = self._spec
        if self._settings.keep_windows:
            if self._settings.keep_stretches:
                stretches = stretch_vectors(spec, rows["window_vectors"])
                rows = rows.append_column("stretch_vectors", stretches)
            self._merge_valid(windows_table(spec), rows, "window_vectors", windows_schema(spec))
        if spec.stores_features:
            self._merge_valid(features_table(spec), rows, "features", features_schema(spec))
        self._merge_valid("audio_facts", rows, "codec", AUDIO_FACTS)
        self._merge_valid(descriptions.TABLE, descriptions.current_rows(rows), "description_version", DESCRIPTIONS)
        self._write_embeddings(rows.append_column("run_id", pa.repeat(self._run_id, len(rows))))
        self._delete_from_quarantine(rows["track_id"])

    def _write_embeddings(self, rows: pa.Table) -> None:
        """Commit the rows that complete tracks; the transaction names the run and its fencing number."""
        table = self.lake.table(embeddings_table(self._spec))
        # By the index of track_id: only the holder of the lease inserts here.
        merge = table.merge_insert("track_id").when_matched_update_all().when_not_matched_insert_all()
        transaction, stats = merge.execute_uncommitted(_conform(rows, embeddings_schema(self._spec)))
        transaction.transaction_properties = {"run_id": self._run_id, "fence": str(self._lease.number)}
        self._lease.check()
        lance.LanceDataset.commit(table, transaction)
        self.bytes_written += table.io_stats_snapshot().written_bytes
        self.inserted += stats["num_inserted_rows"]
        self.replaced += stats["num_updated_rows"]
        self.commits += 1

    def _write_quarantined(self, rows: pa.Table) -> None:
        version = self._spec.feature_version
        ids = rows["track_id"].to_pylist()
        columns = {
            "key": pa.array([f"{track}@{version}" for track in ids]),
            "feature_version": pa.repeat(version, len(rows)),
            "attempts": pa.array([self.attempts.get(track, 0) + 1 for track in ids], pa.int32()),
            "run_id": pa.repeat(self._run_id, len(rows)),
            "at": pa.repeat(pa.scalar(clock.now(), QUARANTINE.field("at").type), len(rows)),
        }
        for name, values in columns.items():
            rows = rows.append_column(name, values)
        self._merge("quarantine", rows, QUARANTINE)
        self.reasons.update(rows["reason"].to_pylist())

    def _merge_valid(self, name: str, rows: pa.Table, column: str, schema: pa.Schema) -> None:
        """Merge the rows whose `column` is not null.

        Outcomes computed from stored features have none of these columns. Copied outcomes have all but the facts of
        their audio, whose key is the content.
        """
        valid = rows.filter(pc.is_valid(rows[column]))
        if len(valid):
            self._merge(name, first_of_each(valid, key_column(schema)), schema)

    def _merge(self, name: str, rows: pa.Table, schema: pa.Schema) -> None:
        """Merge into a table that other runs may write at the same time.

        Lance retries on conflict. A column that `rows` lacks, such as a fingerprint, keeps its values.
        """
        present = pa.schema([field for field in schema if field.name in rows.column_names])
        table = self.lake.upsert(name, schema, _conform(rows, present), self._lease.check)
        self.bytes_written += table.io_stats_snapshot().written_bytes

    def _delete_from_quarantine(self, track_ids: pa.ChunkedArray) -> None:
        """Delete the quarantine rows of tracks that are embedded now."""
        embedded = [track for track in track_ids.to_pylist() if self.attempts.pop(track, None)]
        self._delete("quarantine", "key", [f"{track}@{self._spec.feature_version}" for track in embedded])

    def _delete(self, name: str, column: str, values: list[str]) -> int:
        """Delete the rows whose `column` is one of `values`; return how many."""
        table = self.lake.find_table(name) if values else None
        if table is None:
            return 0
        count: int = table.count_rows(in_clause(column, values))
        if count:
            self._lease.check()
            table.delete(in_clause(column, values))
        return count


def _conform(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    return rows.select(schema.names).cast(schema)
