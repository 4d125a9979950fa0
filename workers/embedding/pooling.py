"""From windows to a track's mean features.

`mean_pool` takes the windows of one track as they come, `pool_tracks` those of many tracks in common batches. The
module imports only NumPy, so that it can be measured on machines that cannot decode audio.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from workers.encoders.base.interface import Encoder, Windows

BATCH_SAMPLES = 16_000_000  # of a track's windows that are encoded at once: 64 MB


@dataclass(frozen=True, slots=True)
class PooledTrack:
    """A track's mean features [feature_dim] and its windows' unit vectors [windows, dim]."""

    features: np.ndarray
    window_vectors: np.ndarray


def mean_pool(windows: Iterable[np.ndarray], encoder: Encoder) -> PooledTrack:
    """Encode windows, float32 [window] each, as they come and average their features."""
    size = max(1, BATCH_SAMPLES // encoder.spec.backbone.windows.window)
    return _average((encoder.embed_windows(batch) for batch in _batches(iter(windows), size)), encoder)


def pool_tracks(tracks: Sequence[Windows], encoder: Encoder) -> list[PooledTrack]:
    """Encode the windows of several tracks in common batches and average each track's features.

    A track is [windows, window]. The encoder must accept windows in a sequence: nothing is copied before a batch is
    complete.
    """
    features = encoder.embed_windows([window for windows in tracks for window in windows])
    ends = np.cumsum([len(windows) for windows in tracks])
    return [_average([rows], encoder) for rows in np.split(features, ends)[: len(tracks)]]


def _average(batches: Iterable[np.ndarray], encoder: Encoder) -> PooledTrack:
    """Average features that come in batches [b, feature_dim].

    The sums are float64, so that neither order nor batch size changes the result.
    """
    total, count, vectors = np.zeros(encoder.spec.backbone.dim), 0, []
    for features in batches:
        total += features.sum(axis=0, dtype=np.float64)
        count += len(features)
        vectors.append(encoder.project(features).astype(np.float16))
    return PooledTrack((total / count).astype(np.float32), np.concatenate(vectors))


def _batches(windows: Iterator[np.ndarray], size: int) -> Iterator[np.ndarray]:
    while batch := list(islice(windows, size)):
        yield np.stack(batch)
