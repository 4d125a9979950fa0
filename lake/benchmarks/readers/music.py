"""Readers of tempi and keys as annotation files write them."""

import math
import re

from schemas.descriptions import KEYS

_KEY = re.compile(r"([A-G])([#b]?)\s+(major|minor)", re.IGNORECASE)
_SHIFT = {"": 0, "#": 1, "b": -1}


def parse_tempo(text: str) -> float | None:
    """Return the beats per minute, or None if the text names none.

    An empty text and 0 say that a clip has no tempo. Raises ValueError if the text is no such number.
    """
    if not text.strip():
        return None
    tempo = float(text)
    if not (math.isfinite(tempo) and tempo >= 0):
        raise ValueError(f"{text.strip()!r} is no tempo")
    return tempo or None


def parse_key(text: str) -> str | None:
    """Return a key as descriptions name it: "A# minor" and "bb minor" are "Bb minor".

    None for a text that names no key, or more than one: "-", "All", "C minor / F minor".
    """
    match = _KEY.fullmatch(text.strip())
    if match is None:
        return None
    letter, accidental, mode = match.groups()
    tonic = (KEYS.index(letter.upper()) + _SHIFT[accidental.lower()]) % 12
    return f"{KEYS[tonic]} {mode.lower()}"
