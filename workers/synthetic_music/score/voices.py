"""The voices: the 128 General MIDI programs, drum kits and hand percussion.

The tables are instruments.csv and percussion.csv. The column `also` holds other names of the same sound.
"""

import csv
from dataclasses import dataclass
from pathlib import Path

from workers.synthetic_music.score.instruments import DRUMS, Instrument

KIT_KEYS = (35, 36, 37, 38, 42, 43, 45, 46, 47, 48, 49, 50, 51, 53)


@dataclass(frozen=True, slots=True)
class Voice:
    """An instrument with its words.

    `manner` is how it plays alone, `idioms` are the kinds of music that suit it. `program` is General MIDI's, or the
    drum kit's if the instrument is percussion.
    """

    instrument: Instrument
    program: int
    manner: str
    idioms: tuple[str, ...]
    other_names: tuple[str, ...]
    families: tuple[str, ...]

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
    program, families = int(row["program"]), tuple(row["family"].split(";"))
    instrument = Instrument(row["name"], program, families[0], int(row["low"]), int(row["high"]))
    idioms, other_names = tuple(row["idioms"].split()), tuple(row["also"].split(";"))
    return Voice(instrument, program, row["manner"], idioms, other_names, families)


def _percussion(row: dict[str, str]) -> Voice:
    """Return a percussion voice of the table.

    Instruments with keys of their own tap them. Kits, which have no keys in the table, play a feel of
    `corpus.patterns.DRUMS`.
    """
    families, other_names = tuple(row["family"].split(";")), tuple(row["also"].split(";"))
    keys = tuple(int(key) for key in row["keys"].split())
    instrument = Instrument(row["name"], DRUMS, families[0], keys=keys or KIT_KEYS)
    feels = (row["feels"],) if keys else tuple(row["feels"].split())
    return Voice(instrument, int(row["kit"]), "taps" if keys else "kit", feels, other_names, families)


PITCHED = tuple(_pitched(row) for row in _rows("instruments.csv"))
PERCUSSION = tuple(_percussion(row) for row in _rows("percussion.csv"))
VOICES = {voice.name: voice for voice in (*PITCHED, *PERCUSSION)}
