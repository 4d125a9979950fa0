"""What a track is: tempo, key, loudness and intro, computed once for each content."""

from dataclasses import asdict, dataclass, fields
from typing import Any

import pyarrow as pa

from schemas.encoders import derive_version
from schemas.tables import key

KEYS = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")  # values of `musical_key`, by pitch class
MODES = ("major", "minor")


def to_camelot(key: str, mode: str) -> str:
    """Return the Camelot code of a key, such as "8A".

    Neighbours on its wheel of twelve mix well; "A" is minor, "B" major.
    """
    semitones = KEYS.index(key) + (3 if mode == "minor" else 0)  # of the relative major key
    return f"{(7 * semitones + 7) % 12 + 1}{'A' if mode == 'minor' else 'B'}"


def from_camelot(code: str) -> tuple[str, str]:
    """Return key and mode of a Camelot code, such as "8A"."""
    return next((key, mode) for key in KEYS for mode in MODES if to_camelot(key, mode) == code)


@dataclass(frozen=True, slots=True)
class DescriptionSpec:
    """The revision of each method. Raise one if its numbers change: lakes then renew their descriptions."""

    tempo: int = 1
    key: int = 1
    loudness: int = 1
    intro: int = 1

    @property
    def version(self) -> str:
        return derive_version(asdict(self))


DESCRIPTION_VERSION = DescriptionSpec().version


@dataclass(frozen=True, slots=True)
class Description:
    """Tempo, key and loudness of one content.

    What cannot be told is None, with confidence 0. Confidences lie in 0..1. `bpm` is the likelier octave,
    `bpm_alternative` the tempo that listeners may feel instead. `musical_key` is one of KEYS, `mode` one of MODES,
    `camelot` the code of both, as "8A". Loudness and its range are those of EBU R 128, in LUFS and LU; the true peak
    is in dB full scale. `intro_s` is the time until sound begins, in seconds.
    """

    bpm: float | None = None
    bpm_confidence: float = 0.0
    bpm_alternative: float | None = None
    musical_key: str | None = None
    mode: str | None = None
    key_confidence: float = 0.0
    camelot: str | None = None
    loudness_lufs: float | None = None
    true_peak_db: float | None = None
    loudness_range: float | None = None
    intro_s: float | None = None

    def to_columns(self) -> dict[str, Any]:
        """Return the columns of a row, with the version of today's methods."""
        return {"description_version": DESCRIPTION_VERSION, **asdict(self)}


_TEXTS = {"musical_key", "mode", "camelot"}

# The columns of a description in the embeddings table, in exports and in workers' results.
DESCRIPTION_COLUMNS = [
    pa.field("description_version", pa.string()),
    *(pa.field(field.name, pa.string() if field.name in _TEXTS else pa.float32()) for field in fields(Description)),
]

DESCRIPTION_NAMES = tuple(column.name for column in DESCRIPTION_COLUMNS)

DESCRIPTIONS = pa.schema([key("content_sha256"), *DESCRIPTION_COLUMNS])
