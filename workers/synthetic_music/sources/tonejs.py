"""Notes of twenty instruments, from the packages tonejs-instrument-NAME-mp3 of npm (50 MB).

Each package says: "Samples: CC-by 3.0". tonejs.csv has a package a line, and by how many cents its notes are sharp.
The saxophone is an alto by its range, the contrabass is bowed, the organ is a pipe organ.
"""

import csv
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from workers.synthetic_music.sources.base import SourceRegistration
from workers.synthetic_music.sources.note_files import load_notes
from workers.synthetic_music.sources.packages import NPM, SoundPackage
from workers.synthetic_music.sources.sampler import Patch, Sampler

# By how many cents files of an instrument are sharp, measured by YIN; None: it is another note than its name says.
CENTS: dict[str, dict[str, float | None]] = {
    "cello": {"As4": None, "E2": None, "Gs3": -18},
    "clarinet": {"Fs6": None},
    "guitar-nylon": {"D5": None, "Cs5": 11},
    "harp": {"E1": -19, "G1": -21, "B1": -15, "F7": -26},
    "harmonium": {"Fs3": 17},
    "trumpet": {"F3": -12},
    "tuba": {"F1": -21},
    "violin": {"C4": -8, "A4": 12, "E5": 18, "G5": 8, "E6": 18, "A6": 8, "C7": -10},
    "xylophone": {"C7": 18, "G7": 22, "C8": 24},
}
with Path(__file__).with_name("tonejs.csv").open(newline="", encoding="utf-8") as table:
    ROWS = tuple(csv.DictReader(table))


def load_tonejs(folders: Sequence[Path]) -> Sampler:
    """Return the source."""
    return Sampler({row["voice"]: [partial(_load, row, folder)] for row, folder in zip(ROWS, folders, strict=True)})


def _load(row: dict[str, str], folder: Path) -> Patch:
    sustained, cents = row["sustained"] == "yes", CENTS.get(row["instrument"])
    return Patch(load_notes([*folder.glob("*.mp3")], sustained=sustained, cents=cents, sharp=float(row["cents"])))


def _package(instrument: str, version: str, digest: str) -> SoundPackage:
    name = f"tonejs-instrument-{instrument}-mp3"
    return SoundPackage(name, NPM, f"{name}/-/{name}-{version}.tgz", digest, ("*.mp3",))


TONEJS = SourceRegistration(
    name="tonejs",
    origin="tonejs-instruments (Nicholaus Brosowsky), collected from several free libraries",
    licence="CC-BY-3.0",
    voices=frozenset(row["voice"] for row in ROWS),
    packages=tuple(_package(row["instrument"], row["version"], row["sha256"]) for row in ROWS),
    load=load_tonejs,
)
