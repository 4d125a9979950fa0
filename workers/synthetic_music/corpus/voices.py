"""Who can play: the 128 General MIDI programs, drum kits and hand percussion, with their names and families.

The tables are instruments.csv and percussion.csv; `also` holds other names of the same sound, `family` its kinds.
"""

import csv
from dataclasses import dataclass
from pathlib import Path

from workers.synthetic_music.score.instruments import DRUMS, Instrument

KIT_KEYS = (35, 36, 37, 38, 42, 43, 45, 46, 47, 48, 49, 50, 51, 53)


@dataclass(frozen=True, slots=True)
class Voice:
    """An instrument with its words; `manner` is how it is played alone, `idioms` are the musics it is at home in.

    `program` is General MIDI's, or the drum kit's where the instrument is percussion.
    """

    instrument: Instrument
    program: int
    manner: str
    idioms: tuple[str, ...]
    also: tuple[str, ...]
    family: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.instrument.name

    @property
    def is_percussion(self) -> bool:
        return self.instrument.program == DRUMS


def _rows(table: str) -> list[dict[str, str]]:
    with Path(__file__).with_name(table).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _pitched(row: dict[str, str]) -> Voice:
    program, family = int(row["program"]), tuple(row["family"].split(";"))
    instrument = Instrument(row["name"], program, family[0], int(row["low"]), int(row["high"]))
    return Voice(
        instrument, program, row["manner"], tuple(row["idioms"].split()), tuple(row["also"].split(";")), family
    )


def _percussion(row: dict[str, str]) -> Voice:
    """Instruments with keys of their own tap them; kits, which have none here, play a feel of `patterns.DRUMS`."""
    family = tuple(row["family"].split(";"))
    keys = tuple(int(key) for key in row["keys"].split())
    instrument = Instrument(row["name"], DRUMS, family[0], keys=keys or KIT_KEYS)
    feels = (row["feels"],) if keys else tuple(row["feels"].split())
    return Voice(instrument, int(row["kit"]), "taps" if keys else "kit", feels, tuple(row["also"].split(";")), family)


PITCHED = tuple(_pitched(row) for row in _rows("instruments.csv"))
PERCUSSION = tuple(_percussion(row) for row in _rows("percussion.csv"))
VOICES = {voice.name: voice for voice in (*PITCHED, *PERCUSSION)}
