"""A source of sound: it plays the notes of a part on an instrument.

registration = SOURCES["freepats"]
source = registration.load(registration.fetch(settings.models, settings.soundfonts))
sound = source.play("banjo", notes, 9.5, np.random.default_rng(0))
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.random import Generator

from workers.synthetic_music.score.notes import Note
from workers.synthetic_music.sources.packages import SoundPackage, fetch_package

RATE = 48_000  # frames a second of what a source plays


class Source(Protocol):
    """Something that plays, once its files are loaded."""

    def play(self, voice: str, notes: Sequence[Note], seconds: float, rng: Generator) -> np.ndarray:
        """Return the notes of one part as sound, float32 [round(seconds * RATE), 2].

        `voice` is a name of `score.voices.VOICES` that the source has; notes are in seconds. `rng` draws what a
        player varies: the preset, the register's sample, tuning, vibrato, attack. Equal arguments give equal sound.
        """
        ...


@dataclass(frozen=True, slots=True)
class SourceRegistration:
    """A source before its files are fetched.

    `voices` are the instruments that it plays. `origin` says who recorded or wrote it. `licence` is that of its
    sounds: of samples, or of a synthesizer's presets.
    """

    name: str
    origin: str
    licence: str
    voices: frozenset[str]
    packages: tuple[SoundPackage, ...]
    load: Callable[[Sequence[Path]], Source]  # with the folders of the packages, in their order
    is_computed: bool = False  # it has no samples

    @property
    def is_gpl(self) -> bool:
        """Whether an owner who wants no GPL sounds leaves it out."""
        return "GPL" in self.licence

    def fetch(self, models: Path, local: Path | None) -> list[Path]:
        """Return the folders of its packages; missing ones are taken from `local`, or downloaded.

        Raises UserError if that fails.
        """
        return [fetch_package(package, models, local) for package in self.packages]
