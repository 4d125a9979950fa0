"""Scores of musical keys, by their relation to the true key.

Source: MIREX, "Audio Key Detection": 1 for the same key, 0.5 for a key a fifth away in the same mode, 0.3 for the
relative and 0.2 for the parallel key. A fifth below counts like a fifth above. mir_eval counts it only with
`allow_descending_fifths`: its plain score is lower.
"""

from collections.abc import Sequence

import numpy as np

from schemas.descriptions import KEYS

KEY_WEIGHTS = {"exact": 1.0, "fifth": 0.5, "relative": 0.3, "parallel": 0.2, "other": 0.0}  # by relation


def key_relation(truth: str, key: str | None) -> str:
    """Return the relation of a key to the true one, a name of KEY_WEIGHTS.

    Keys are written as "Bb minor", with a tonic of KEYS. None, the answer that there is no key, is "other".
    """
    if key is None:
        return "other"
    (true_tonic, true_mode), (tonic, mode) = truth.split(), key.split()
    semitones = (KEYS.index(tonic) - KEYS.index(true_tonic)) % 12
    if mode == true_mode:
        return {0: "exact", 5: "fifth", 7: "fifth"}.get(semitones, "other")
    relative = 9 if true_mode == "major" else 3  # A minor for C major, C major for A minor
    return {0: "parallel", relative: "relative"}.get(semitones, "other")


def key_score(truth: Sequence[str], keys: Sequence[str | None]) -> np.ndarray:
    """Return MIREX's weighted score of each of N keys, float64 [N]."""
    pairs = zip(truth, keys, strict=True)
    return np.array([KEY_WEIGHTS[key_relation(true_key, key)] for true_key, key in pairs])
