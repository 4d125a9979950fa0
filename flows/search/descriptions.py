"""Short filters on descriptions: `--bpm 118-122` and `--key "A minor"` as SQL conditions."""

import re

from lake.catalogue.descriptions import count_described
from lake.storage.lake import Lake
from schemas.descriptions import KEYS, MODES, from_camelot
from schemas.encoders import EncoderSpec
from schemas.errors import UserError

_RANGE = re.compile(r"(\d+(?:\.\d+)?)(?:-(\d+(?:\.\d+)?))?")
_KEY = re.compile(r"([A-Ga-g])([#b♯♭]?)(?:[ -]*(major|minor|maj|min|m))?")
_CAMELOT = re.compile(r"(1[0-2]|[1-9])([ABab])")
_SEMITONES = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_TOLERANCE = 0.5  # of a tempo that is given as one number


def bpm_condition(text: str) -> str:
    """Return the condition for a tempo ("120") or a range ("118-122"), in beats a minute.

    Raises UserError if the text is neither.
    """
    match = _RANGE.fullmatch(text.replace(" ", ""))
    if match is None:
        raise UserError(f"--bpm {text!r} is no tempo: give a number or a range, such as 118-122")
    low = float(match[1])
    low, high = (low, float(match[2])) if match[2] else (low - _TOLERANCE, low + _TOLERANCE)
    if low > high:
        raise UserError(f"--bpm {text!r} finds nothing: the lower tempo comes first, such as {match[2]}-{match[1]}")
    return f"bpm BETWEEN {low:g} AND {high:g}"


def key_condition(text: str) -> str:
    """Return the condition for a key: "A minor", "Am", "F#", "8A" (Camelot).

    A note alone finds both modes. Raises UserError if the text names no key.
    """
    name = text.strip()
    if camelot := _CAMELOT.fullmatch(name):
        key, mode = from_camelot(f"{camelot[1]}{camelot[2].upper()}")
        return f"musical_key = '{key}' AND mode = '{mode}'"
    match = _KEY.fullmatch(name) or _KEY.fullmatch(name.lower())
    if match is None:
        raise UserError(f"--key {text!r} is no key: give one such as 'A minor', F# or 8A")
    pitch = _SEMITONES[match[1].upper()] + {"#": 1, "♯": 1, "b": -1, "♭": -1}.get(match[2], 0)
    condition = f"musical_key = '{KEYS[pitch % 12]}'"
    if match[3] is None:
        return condition
    return f"{condition} AND mode = '{MODES[0] if match[3].startswith('maj') else MODES[1]}'"


def require_described(lake: Lake, spec: EncoderSpec) -> None:
    """Raise UserError if no track of the version has a description to filter by."""
    if not count_described(lake, spec).described:
        raise UserError("no track has a tempo or a key here: run `tonelake describe`, then search again")
