"""An order of tracks in which neighbours sound alike.

Sources: the nearest neighbour first, then Croes, "A Method for Solving Traveling-Salesman Problems", 1958, which is
called 2-opt: reverse a stretch of the order as long as that makes it shorter.
"""

from collections.abc import Sequence

import numpy as np

# The cost of two neighbours is 1 - cosine, plus these. Their effect is measured in docs/search.md.
SAME_ARTIST = 2.0  # as much as two opposite vectors
TEMPO = 0.4  # for each octave between the tempos; double tempo counts as equal, so at most half of this
KEY = 0.05  # if the keys do not mix

_LEAST_GAIN = 1e-9  # smaller ones are rounding, and could go on forever


def transition_costs(
    vectors: np.ndarray, artists: np.ndarray, tempos: Sequence[float | None], camelots: Sequence[str | None]
) -> np.ndarray:
    """Return the cost of each pair as neighbours, float [N, N].

    `vectors` [N, dim] are unit rows, `artists` [N] numbers with -1 for unknown ones. `tempos` are beats a minute and
    `camelots` codes such as "8A"; where one of a pair is None it costs nothing.
    """
    costs = 1.0 - vectors.astype(np.float64) @ vectors.T
    costs += SAME_ARTIST * ((artists[:, None] == artists) & (artists >= 0))
    octaves = np.log2(np.array([tempo or np.nan for tempo in tempos], float))
    octaves = octaves[:, None] - octaves
    costs += TEMPO * np.nan_to_num(np.abs(octaves - np.round(octaves)))
    costs += KEY * _clashes(camelots)
    return costs


def _clashes(camelots: Sequence[str | None]) -> np.ndarray:
    """Tell which pairs of keys are known and do not mix, bool [N, N].

    On the Camelot wheel those mix that are equal, neighbours of one mode, or relative major and minor.
    """
    hours = np.array([int(code[:-1]) if code else 0 for code in camelots])
    is_major = np.array([bool(code) and code[-1] == "B" for code in camelots])
    steps = np.abs(hours[:, None] - hours)
    steps = np.minimum(steps, 12 - steps) + (is_major[:, None] != is_major)
    clashes: np.ndarray = (steps > 1) & (hours[:, None] > 0) & (hours > 0)
    return clashes


def order_for_flow(costs: np.ndarray) -> np.ndarray:
    """Return an order of all tracks, int [N], in which neighbours cost little.

    `costs` [N, N] is symmetric. Track 0 stays first. Nothing is random: equal costs give equal orders.
    """
    order = _nearest_next(costs)
    while _shorten(order, costs):
        pass
    return order


def _nearest_next(costs: np.ndarray) -> np.ndarray:
    order = np.zeros(len(costs), int)
    left = np.ones(len(costs), bool)
    for position in range(1, len(costs)):
        left[order[position - 1]] = False
        order[position] = np.argmin(np.where(left, costs[order[position - 1]], np.inf))
    return order


def _shorten(order: np.ndarray, costs: np.ndarray) -> bool:
    """Reverse stretches of the order where that shortens it; return whether any did.

    The stretch from `start` to `stop` keeps its inner neighbours: only the costs at its ends change.
    """
    shortened = False
    for start in range(1, len(order) - 1):
        before, first, lasts = order[start - 1], order[start], order[start + 1 :]
        afters = order[start + 2 :]  # the last stretch has nothing behind it
        gains = costs[before, first] - costs[before, lasts]
        gains[:-1] += costs[lasts[:-1], afters] - costs[first, afters]
        best = int(np.argmax(gains))
        if gains[best] > _LEAST_GAIN:
            stop = start + 1 + best
            order[start : stop + 1] = order[start : stop + 1][::-1]
            shortened = True
    return shortened
