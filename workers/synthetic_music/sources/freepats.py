"""FreePats of 2006: patches of about 70 General MIDI programs and a drum set.

The column `cents` of freepats.csv says by how much each sample is sharp. It was measured (YIN; the strongest partial
of bars, drums and bells).
"""

import csv
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

from workers.synthetic_music.sources.base import SourceRegistration
from workers.synthetic_music.sources.gus_patch import read_patch
from workers.synthetic_music.sources.kits import KIT_KEYS, build_kit, percussion_voices
from workers.synthetic_music.sources.packages import DEBIAN, SoundPackage
from workers.synthetic_music.sources.sampler import Patch, Sample, Sampler

DRUMS = "Drum_000--"
TONES = "Tone_000--"
DRUM_KEYS = (*range(35, 52), *range(53, 83))


def _read_table() -> dict[str, tuple[str, tuple[float, ...]]]:
    """Return the file of each voice, and the cents of its samples."""
    with Path(__file__).with_name("freepats.csv").open(newline="", encoding="utf-8") as file:
        return {row["voice"]: (row["file"], tuple(map(float, row["cents"].split()))) for row in csv.DictReader(file)}


TABLE = _read_table()


def load_freepats(folders: Sequence[Path]) -> Sampler:
    """Return the source."""
    folder = folders[0]

    @cache
    def drums() -> Patch:
        files = {int(path.name.removeprefix(DRUMS)[:3]): path for path in folder.glob(f"{DRUMS}*.pat")}
        return build_kit({key: _as_recorded(read_patch(files[key])) for key in DRUM_KEYS})

    def tones(voice: str) -> Patch:
        file, cents = TABLE[voice]
        samples = read_patch(folder / f"{TONES}{file}.pat")
        corrections = cents or (0.0,) * len(samples)
        return Patch(
            tuple(
                replace(sample, root=sample.root + sharp / 100)
                for sample, sharp in zip(samples, corrections, strict=True)
            )
        )

    pitched = {voice: [lambda voice=voice: tones(voice)] for voice in TABLE}
    return Sampler(pitched | {voice: [drums] for voice in DRUM_VOICES})


def _as_recorded(samples: Sequence[Sample]) -> list[Sample]:
    """Return a drum's samples without loops and envelopes."""
    return [replace(sample, loop=None, envelope=()) for sample in samples]


DRUM_VOICES = percussion_voices(DRUM_KEYS) | ({"drum kit"} if {*KIT_KEYS} <= {*DRUM_KEYS} else set())
FREEPATS = SourceRegistration(
    name="freepats",
    origin="FreePats project, patches of 2004 to 2006 (Eric A. Welsh, Walt Gregg and others)",
    licence="GPL-2.0-or-later with an exception for compositions",
    voices=frozenset(TABLE) | DRUM_VOICES,
    packages=(
        SoundPackage(
            "freepats",
            DEBIAN,
            "f/freepats/freepats_20060219-4_all.deb",
            "1282628c7ec015f0d39a8b1ee58a2d942220bbad38173d005bbfbaaf36e1d6f1",
            ("*.pat",),
        ),
    ),
    load=load_freepats,
)
