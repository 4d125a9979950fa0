"""What a training reads: clips with their inputs, features or crops of audio, and what is said of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from schemas.benchmarks import Clip
from workers.encoders.ttmr.net import WINDOW


@dataclass(frozen=True, slots=True)
class Split:
    """Clips and their inputs in one order: `features` float32 [N, features], or `audio`, a .npy file a clip."""

    clips: tuple[Clip, ...]
    features: np.ndarray | None = None
    audio: tuple[Path, ...] = ()

    def __len__(self) -> int:
        return len(self.clips)

    def inputs(self, rows: Sequence[int], rng: np.random.Generator | None) -> np.ndarray:
        """Of these clips [B, ...]: of audio 9.91 s from a random place, without `rng` from the middle."""
        if self.features is not None:
            return self.features[rows]
        return np.stack([_crop(np.load(self.audio[row], mmap_mode="r"), rng) for row in rows])

    def tags(self, vocabulary: Sequence[str]) -> np.ndarray:
        """Bool [N, V]: who has which tag; tags outside the vocabulary are left out."""
        place = {name: column for column, name in enumerate(vocabulary)}
        truth = np.zeros((len(self.clips), len(vocabulary)), bool)
        for row, clip in enumerate(self.clips):
            truth[row, [place[tag] for tag in clip.labels if tag in place]] = True
        return truth


@dataclass(frozen=True, slots=True)
class TrainingData:
    """The splits that training may see, and the text tower's vectors of every text that it may draw.

    `pools_*` hold the texts of each clip; `vectors` float32 [T, text] those of the texts in `places`. All are empty
    where a text tower is trained too, or none is read.
    """

    train: Split
    valid: Split
    vocabulary: tuple[str, ...]
    train_pools: list[list[str]]
    valid_pools: list[list[str]]
    places: dict[str, int]
    vectors: np.ndarray


def _crop(audio: np.ndarray, rng: np.random.Generator | None) -> np.ndarray:
    """One window as float32; what is shorter is repeated to its length."""
    if len(audio) < WINDOW:
        audio = np.resize(audio, WINDOW)
    spare = len(audio) - WINDOW
    start = spare // 2 if rng is None else int(rng.integers(spare + 1))
    return np.asarray(audio[start : start + WINDOW], np.float32)
