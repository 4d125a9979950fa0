"""The time until sound begins.

Sound begins with the first tenth of a second that is at most 30 LU softer than the whole track, if at least half of
the second from there on is as loud: so a click before the music does not count. Where the quietest second is a noise
floor nearly as loud as that, the limit rises above it. Levels are K-weighted: neither do rumble and DC count.
"""

import numpy as np

from workers.description.loudness import STEPS_PER_SECOND

_SOFTER = 30.0  # LU below the track's loudness
_ABOVE_FLOOR = 6.0  # LU above the quietest second
_HIGHEST = 24.0  # LU below the track's loudness: a soft beginning is music, not the noise floor
_LASTING = 0.5  # the share of the next second that must be as loud


def find_intro(energies: np.ndarray, loudness: float | None) -> float | None:
    """Return the seconds until sound begins, or None without loudness.

    `energies` are those of LoudnessMeter, `loudness` is the integrated one in LUFS.
    """
    if loudness is None:
        return None
    levels = 10 * np.log10(np.maximum(energies, 1e-20)) - 0.691
    seconds = len(levels) // STEPS_PER_SECOND
    whole = energies[: seconds * STEPS_PER_SECOND].reshape(-1, STEPS_PER_SECOND).mean(axis=1)
    floor = 10 * np.log10(max(float(whole.min()), 1e-20)) if seconds else -np.inf
    threshold = max(loudness - _SOFTER, min(floor + _ABOVE_FLOOR, loudness - _HIGHEST))
    loud = levels > threshold
    following = np.convolve(np.pad(loud, (0, STEPS_PER_SECOND - 1), mode="edge"), np.ones(STEPS_PER_SECOND), "valid")
    begins = np.flatnonzero(loud & (following >= _LASTING * STEPS_PER_SECOND))
    first = begins if len(begins) else np.flatnonzero(loud)
    return float(first[0] / STEPS_PER_SECOND) if len(first) else None
