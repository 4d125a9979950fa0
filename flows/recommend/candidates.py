"""What may be recommended: each content of a release once, its vectors in memory, the tracks it stands for."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from flows.console.progress import track_many
from lake.embeddings.search import Filter, nearest_rows
from lake.storage.arrow import codes, is_among, place_in
from lake.storage.lake import Lake
from lake.storage.vectors import BATCH_ROWS, batches_of, matrix
from schemas.encoders import EncoderSpec
from schemas.tables import embeddings_table
from workers.metrics.neighbours import unit_rows


@dataclass(frozen=True, slots=True)
class Pool:
    """P contents: `shown` has a track_id, title and artist for each, `rows` its unit vector, float32 [P, dim].

    `passes` [P]: whether a track of that content passes the filter; it is the one that is shown. `track_ids` [T] are
    all tracks of the release, `contents` [T] what each holds, as a row of the pool.
    """

    shown: pa.Table
    rows: np.ndarray
    passes: np.ndarray
    track_ids: pa.ChunkedArray
    contents: np.ndarray

    @classmethod
    def of(cls, lake: Lake, spec: EncoderSpec, where: str | None = None) -> "Pool":
        """Reads a whole version: 4 x dim bytes a content in memory. UserError where `where` cannot be used."""
        table = lake.table(embeddings_table(spec))
        count = table.count_rows()
        about = table.to_table(columns=["track_id", "content_sha256", "title", "artist"]).sort_by("track_id")
        if where:
            passing = nearest_rows(lake, spec, None, count, ["track_id"], Filter(where))["track_id"]
            passes = is_among(about["track_id"], passing).to_numpy()
        else:
            passes = np.ones(count, bool)
        content = codes(about["content_sha256"])
        order = np.lexsort((~passes, content))  # of equal contents one that passes, then the first track_id
        first = order[np.unique(content[order], return_index=True)[1]]
        shown = about.select(["track_id", "title", "artist"]).take(pa.array(first))
        rows = np.empty((len(shown), spec.head.dim), np.float32)
        ids = shown["track_id"].combine_chunks()
        batches = batches_of(lake, embeddings_table(spec), ["vector"], ids)
        for batch in track_many(batches, f"reading {spec.name}", -(-count // BATCH_ROWS)):
            vectors = pa.chunked_array([batch["vector"]])
            rows[pc.index_in(batch["track_id"], ids).to_numpy()] = unit_rows(matrix(vectors))
        return cls(shown, rows, passes[first], about["track_id"], content)

    def items(self, track_ids: pa.ChunkedArray) -> np.ndarray:
        """The pool's row for each track_id [M], -1 for one that the release does not hold."""
        place = place_in(track_ids, self.track_ids).fill_null(-1).to_numpy().astype(np.int64)
        return np.where(place >= 0, self.contents[place], -1)
