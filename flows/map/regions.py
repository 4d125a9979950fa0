"""Names of a map's regions: the tag that is most over-represented in each.

A region is a group of neighbouring cells of a grid with the same tag. Measure: the share of a cell's tracks with the
tag, times the logarithm of how much higher it is than in the whole map; so a tag counts that is both frequent here and
rarer elsewhere.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.ndimage import label as label_groups

GRIDS = ((6, 16), (13, 40), (28, 100))  # cells in a row, and how many names at most: from far to near
_LEAST_SHARE = 0.2  # of a cell's tracks that must have the tag
_LEAST_GAIN = 0.08
_LEAST_DEVIATIONS = 3.0  # of chance, by which the tag must be more frequent
_LEAST_TRACKS = 3  # of a region
_PRIOR = 3.0  # tracks as the whole map's, added to each cell: few tracks prove little


@dataclass(frozen=True, slots=True)
class Region:
    """A named part of the map.

    `x` and `y` are from 0 to 1, `tracks` have the tag there; `level` 0 is seen from far.
    """

    name: str
    x: float
    y: float
    tracks: int
    level: int

    def to_json(self) -> dict[str, Any]:
        """Return the fields as a JSON object."""
        return asdict(self)


def name_regions(positions: np.ndarray, owners: np.ndarray, tags: np.ndarray, names: list[str]) -> list[Region]:
    """Return the regions of all levels, the largest of a level first.

    `positions` [N, 2] are from 0 to 1. Track `owners[i]` has the tag `names[tags[i]]`. Equal points give equal names.
    """
    if not len(owners):
        return []
    overall = np.bincount(tags, minlength=len(names)) / len(positions)
    return [
        region
        for level, (cells, most) in enumerate(GRIDS)
        for region in _name_level(positions, owners, tags, names, overall, level, cells)[:most]
    ]


def _name_level(
    positions: np.ndarray,
    owners: np.ndarray,
    tags: np.ndarray,
    names: list[str],
    overall: np.ndarray,
    level: int,
    cells: int,
) -> list[Region]:
    columns = np.minimum((positions * cells).astype(np.int64), cells - 1)
    cell = columns[:, 0] * cells + columns[:, 1]
    totals = np.bincount(cell, minlength=cells**2)
    counts = np.bincount(cell[owners] * len(names) + tags, minlength=cells**2 * len(names)).reshape(cells**2, -1)
    shares = (counts + _PRIOR * overall) / (totals + _PRIOR)[:, None]
    expected = totals[:, None] * overall
    is_certain = counts - expected >= _LEAST_DEVIATIONS * np.sqrt(expected * (1 - overall))
    gains = shares * np.log(shares / np.maximum(overall, 1e-12))
    gains[(shares < _LEAST_SHARE) | ~is_certain] = 0
    best = np.where((gains.max(axis=1) >= _LEAST_GAIN) & (totals > 0), gains.argmax(axis=1), -1)
    has_tag = tags == best[cell[owners]]  # of the pairs of a track and a tag, those that name their cell
    regions = []
    for tag in np.unique(best[best >= 0]):
        groups, count = label_groups((best == tag).reshape(cells, cells))
        group = groups.reshape(-1)[cell[owners[has_tag & (tags == tag)]]]
        points = positions[owners[has_tag & (tags == tag)]]
        for number in range(1, count + 1):
            members = points[group == number]
            if len(members) >= _LEAST_TRACKS:
                x, y = np.median(members, axis=0).round(4)
                regions.append(Region(names[tag], float(x), float(y), len(members), level))
    return sorted(regions, key=lambda region: (-region.tracks, region.name, region.x, region.y))
