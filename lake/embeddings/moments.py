"""The rule that makes moments of the cosines of a track's windows with a query.

In seconds, for any encoder: the cosines are averaged over about 10 s, so that one odd window counts little.
A moment is a run of neighbouring windows whose averaged cosine is at least the middle between the track's mean and its
best; windows beside it belong to it if their own cosine is. Runs less than 5 s apart are one. A run of over 60 s is
cut to 60 s around its best window, one of under 5 s is widened evenly. The score is the highest averaged cosine of the
run.
"""

import numpy as np

from schemas.audio import WindowSpec
from schemas.search import Moment

AVERAGED_SECONDS = 10.0
MIN_SECONDS, MAX_SECONDS = 5.0, 60.0


def window_times(spec: WindowSpec, duration_s: float, count: int) -> np.ndarray:
    """Return start and end of each of a track's windows in seconds, float64 [count, 2].

    Of a track with more windows than `spec.limit`, those that were embedded are spread over it.
    """
    indices = spec.select_indices(round(duration_s * spec.sample_rate))
    if len(indices) != count:  # the stored duration is rounded, so that a window may be missing at the end
        indices = list(range(count))
    starts = np.array(indices) * spec.hop / spec.sample_rate
    ends = np.minimum(starts + spec.window / spec.sample_rate, max(duration_s, 0.0))
    return np.stack([starts, np.maximum(starts, ends)], axis=1)


def average_neighbours(cosines: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Average each window's cosine [windows] with those of its neighbours, over about 10 s.

    `times` [windows, 2] are those of `window_times`. Windows that are spread over the track have no neighbours.
    """
    kernel = np.ones(_width(times))
    averaged: np.ndarray = np.convolve(cosines, kernel, "same") / np.convolve(np.ones(len(cosines)), kernel, "same")
    return averaged


def find_moments(cosines: np.ndarray, times: np.ndarray, duration_s: float) -> list[Moment]:
    """Return a track's moments, the best first; none without windows.

    `cosines` [windows] are those of the windows with a query, `times` [windows, 2] those of `window_times`.
    """
    if not len(cosines):
        return []
    averaged = average_neighbours(cosines, times)
    least = (averaged.mean() + averaged.max()) / 2 - 1e-9
    is_near = averaged >= least
    is_beside = np.convolve(is_near, np.ones(_width(times)), "same") > 0
    near = np.flatnonzero(is_near | (is_beside & (cosines >= least)))
    group = np.concatenate([[0], np.cumsum(~_touching(times))])
    is_apart = (np.diff(group[near]) > 0) | (times[near[1:], 0] - times[near[:-1], 1] >= MIN_SECONDS)
    runs = np.split(near, np.flatnonzero(is_apart) + 1)
    moments = [_as_moment(run, averaged, times, duration_s) for run in runs]
    return sorted(moments, key=lambda moment: -moment.score)


def _as_moment(run: np.ndarray, averaged: np.ndarray, times: np.ndarray, duration_s: float) -> Moment:
    """Return the moment of a run of windows, given by their indices."""
    start, end = times[run[0], 0], times[run[-1], 1]
    best = run[averaged[run].argmax()]
    if end - start > MAX_SECONDS:
        start = min(max(times[best].mean() - MAX_SECONDS / 2, start), end - MAX_SECONDS)
        end = start + MAX_SECONDS
    elif end - start < MIN_SECONDS:
        start = max(0.0, min((start + end - MIN_SECONDS) / 2, duration_s - MIN_SECONDS))
        end = min(duration_s, start + MIN_SECONDS)
    return Moment(round(float(start), 2), round(float(end), 2), round(float(averaged[best]), 6))


def _width(times: np.ndarray) -> int:
    """Return over how many windows a cosine is averaged: an odd number."""
    if len(times) < 2 or not _touching(times).all():
        return 1
    half = int(AVERAGED_SECONDS / (times[1, 0] - times[0, 0]) / 2)
    return 2 * min(half, (len(times) - 1) // 2) + 1


def _touching(times: np.ndarray) -> np.ndarray:
    """Tell whether each window but the first begins before the previous one ends.

    Returns booleans [windows - 1].
    """
    is_touching: np.ndarray = times[1:, 0] <= times[:-1, 1] + 1e-6
    return is_touching
