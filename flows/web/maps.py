"""The maps of a service, kept until the lake changes."""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pyarrow as pa

from flows.map.colours import Colours, read_regions
from flows.map.points import STEPS, MapPoints, read_points
from flows.map.regions import Region
from flows.search.reader import Reader
from flows.web.readers import Readers
from schemas.errors import UserError
from schemas.rights import RightsFilter

_KEPT_MAPS = 2  # a million points with their ids take 80 MB
_KEPT_COLOURS = 16  # of a map: a byte a point


@dataclass(frozen=True)
class ServedMap:
    """Points and the reader that they are of.

    The `name` changes whenever a point does.
    """

    reader: Reader
    points: MapPoints
    name: str
    colours: OrderedDict[str, Colours] = field(default_factory=OrderedDict)

    @cached_property
    def regions(self) -> list[Region]:
        """The named regions."""
        return read_regions(self.reader, self.points)

    def keep_colours(self, key: str, colours: Colours) -> Colours:
        """Keep colours for the next who asks for them; return them."""
        self.colours[key] = colours
        while len(self.colours) > _KEPT_COLOURS:
            self.colours.popitem(last=False)
        return colours

    def tracks_at(self, indices: Sequence[int]) -> list[str]:
        """Return the ids of points. Raises UserError if the map has no such point."""
        count = len(self.points.track_ids)
        if any(not 0 <= index < count for index in indices):
            raise UserError(f"the map has {count:,} points, from 0 on: this one is none")
        track_ids: list[str] = self.points.track_ids.take(pa.array(indices, pa.int64())).to_pylist()
        return track_ids

    def inside(self, polygon: Sequence[tuple[float, float]]) -> list[int]:
        """Return the points inside a polygon of corners from 0 to 1."""
        points, corners = self.points.coordinates, np.array(polygon) * STEPS
        is_near = (points >= corners.min(axis=0)).all(axis=1) & (points <= corners.max(axis=0)).all(axis=1)
        near = np.flatnonzero(is_near)
        indices: list[int] = near[_is_inside(points[near], corners)].tolist()
        return indices


class Maps:
    """Reads maps and keeps them. Threads may share it: of those that wait for a map, one reads it."""

    def __init__(self, readers: Readers) -> None:
        self._readers = readers
        self._maps: OrderedDict[str, ServedMap] = OrderedDict()
        self._lock = threading.Lock()

    def current(self, encoder: str | None) -> ServedMap:
        """Return the map of an encoder version as it may be shown now.

        Raises UserError if there is none, or as `open_reader` does.
        """
        with self._lock:
            state = self._readers.etag(encoder)
            if state not in self._maps:
                reader = self._readers.current(encoder)
                points = read_points(reader, RightsFilter.from_options(None, None, False))
                self._maps[state] = ServedMap(reader, points, _name(points))
                while len(self._maps) > _KEPT_MAPS:
                    self._maps.popitem(last=False)
            return self._maps[state]

    def named(self, encoder: str | None, name: str) -> ServedMap:
        """Return the current map, if it is the one of that name.

        Raises UserError if it has changed: an index would be another track's.
        """
        served = self.current(encoder)
        if served.name != name:
            raise UserError("the map has changed meanwhile: load the page again")
        return served


def _name(points: MapPoints) -> str:
    digest = hashlib.blake2b(points.coordinates.tobytes(), digest_size=8)
    for buffer in points.track_ids.buffers():
        digest.update(buffer or b"")
    return digest.hexdigest()


def _is_inside(points: np.ndarray, polygon: np.ndarray) -> np.ndarray:
    """Tell which points [N, 2] lie inside a polygon [M, 2]: bool [N]. Edges are crossed an odd number of times."""
    x, y = points[:, 0].astype(np.float32), points[:, 1].astype(np.float32)
    inside = np.zeros(len(points), bool)
    for (x1, y1), (x2, y2) in zip(polygon, np.roll(polygon, 1, axis=0), strict=True):
        if y1 != y2:
            inside ^= ((y1 > y) != (y2 > y)) & (x < (x2 - x1) * (y - y1) / (y2 - y1) + x1)
    return inside
