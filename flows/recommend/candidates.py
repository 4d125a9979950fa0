"""The candidates for recommendation: every content of an encoder version once, in memory."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from flows.console.progress import with_progress_if_long
from lake.embeddings.filters import Filter
from lake.embeddings.search import nearest_rows
from lake.embeddings.stale import read_stale
from lake.storage.arrow import factorize, index_in, is_in
from lake.storage.lake import Lake
from lake.storage.vectors import BATCH_ROWS, read_batches, to_matrix
from schemas.encoders import EncoderSpec
from schemas.tables import embeddings_table
from workers.metrics.neighbours import unit_rows


@dataclass(frozen=True, slots=True)
class CandidateSet:
    """P distinct contents, each represented by one track.

    `metadata` has that track's track_id, title, artist and stale_since, `vectors` its unit vector, float32 [P, dim].
    `matches_filter` [P] says whether any track of the content matches the filter; such a track represents it.
    `track_ids` [T] are all tracks of the version, `track_contents` [T] the index of each one's content.
    """

    metadata: pa.Table
    vectors: np.ndarray
    matches_filter: np.ndarray
    track_ids: pa.ChunkedArray
    track_contents: np.ndarray

    @classmethod
    def load(
        cls, lake: Lake, spec: EncoderSpec, filters: Filter | None = None, *, without: pa.ChunkedArray | None = None
    ) -> "CandidateSet":
        """Read a whole encoder version, 4 x dim bytes a content in memory.

        The tracks `without` are left out, as if the version had none of them. Raises UserError if the filter's SQL is
        not valid.
        """
        table = lake.table(embeddings_table(spec))
        count = table.count_rows()
        tracks = table.to_table(columns=["track_id", "content_sha256", "title", "artist"]).sort_by("track_id")
        if without is not None:
            tracks = tracks.filter(pc.invert(is_in(tracks["track_id"], without)))
        matching_ids = nearest_rows(lake, spec, None, count, ["track_id"], filters or Filter())["track_id"]
        matches = is_in(tracks["track_id"], matching_ids).to_numpy()
        content = factorize(tracks["content_sha256"])
        order = np.lexsort((~matches, content))  # within a content: matching tracks first, then by track_id
        representatives = order[np.unique(content[order], return_index=True)[1]]
        metadata = tracks.select(["track_id", "title", "artist"]).take(pa.array(representatives))
        stale = read_stale(lake, spec)
        since = stale["since"].take(index_in(metadata["track_id"], stale["track_id"]))
        metadata = metadata.append_column("stale_since", since)
        vectors = np.empty((len(metadata), spec.head.dim), np.float32)
        ids = metadata["track_id"].combine_chunks()
        batches = read_batches(lake, embeddings_table(spec), ["vector"], ids)
        for batch in with_progress_if_long(batches, f"reading {spec.name}", -(-count // BATCH_ROWS)):
            indices = pc.index_in(batch["track_id"], ids).to_numpy()
            vectors[indices] = unit_rows(to_matrix(pa.chunked_array([batch["vector"]])))
        return cls(metadata, vectors, matches[representatives], tracks["track_id"], content)

    def indices(self, track_ids: pa.ChunkedArray) -> np.ndarray:
        """Return the candidate index of each track_id [M], -1 for an unknown track."""
        rows = index_in(track_ids, self.track_ids).fill_null(-1).to_numpy().astype(np.int64)
        return np.where(rows >= 0, self.track_contents[rows], -1)
