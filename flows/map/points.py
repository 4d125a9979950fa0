"""The points of a map that may be shown.

Those are the tracks of a reader's release that have a position and may be played.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from flows.search.reader import Reader
from lake.releases.map_table import match_positions, read_map
from lake.storage.arrow import is_in
from schemas.errors import UserError
from schemas.rights import RightsFilter
from schemas.tables import embeddings_table

STEPS = 65_535  # of a coordinate: positions are sent as uint16
_MARGIN = 0.02  # of the plane, around the outermost points


@dataclass(frozen=True, slots=True)
class MapPoints:
    """Points in an order that any beginning of is a fair sample.

    `track_ids` [N]; `rows` int64 [N] of the reader's embeddings table; `coordinates` uint16 [N, 2], from 0 to STEPS,
    with y upwards. `missing` tracks of the release have no position yet.
    """

    track_ids: pa.StringArray
    rows: np.ndarray
    coordinates: np.ndarray
    missing: int

    @property
    def bounds(self) -> tuple[list[float], list[float]]:
        """The least and the greatest x and y, from 0 to 1."""
        if not len(self.coordinates):
            return [0.0, 0.0], [1.0, 1.0]
        low, high = (extreme / STEPS for extreme in (self.coordinates.min(axis=0), self.coordinates.max(axis=0)))
        return low.round(4).tolist(), high.round(4).tolist()

    def take(self, column: pa.ChunkedArray) -> pa.Array:
        """Return the values of the points in a column of the whole embeddings table."""
        return column.combine_chunks().take(pa.array(self.rows))


def read_points(reader: Reader, rights: RightsFilter | None) -> MapPoints:
    """Return the points of a reader's release. Raises UserError if the lake has no map of the version."""
    stored = read_map(reader.lake, reader.spec)
    if not len(stored):
        raise UserError("this lake has no map yet: run `tonelake map`, which takes minutes, then load the page again")
    files = reader.lake.table(embeddings_table(reader.spec)).to_table(columns=["track_id", "source_version"])
    known, positions = match_positions(files, stored)
    is_allowed = ~is_in(files["track_id"], reader.unavailable(rights).ids).to_numpy()
    rows = np.flatnonzero((known >= 0) & np.isfinite(positions).all(axis=1) & is_allowed)
    rows = np.random.default_rng(0).permutation(rows)
    track_ids = files["track_id"].combine_chunks().take(pa.array(rows))
    return MapPoints(track_ids, rows, _scale(positions[rows]), int((is_allowed & (known < 0)).sum()))


def _scale(positions: np.ndarray) -> np.ndarray:
    """Return positions [N, 2] as uint16, of equal scale in both directions, centred."""
    if not len(positions):
        return np.empty((0, 2), np.uint16)
    low, high = positions.min(axis=0), positions.max(axis=0)
    span = max(float((high - low).max()), 1e-6) * (1 + 2 * _MARGIN)
    unit = (positions - (low + high) / 2) / span + 0.5
    return np.round(unit * STEPS).astype(np.uint16)
