"""Sources of sound that we compute: no samples, no presets, no files."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from workers.synthetic_music.sources.base import SourceRegistration
from workers.synthetic_music.sources.synthesis import (
    additive,
    drums,
    fm,
    modal,
    noises,
    organs,
    stiff_strings,
    strings,
    subtractive,
)
from workers.synthetic_music.sources.synthesis.tones import Model, Synthesizer


def _register(name: str, origin: str, models: Mapping[str, Model]) -> SourceRegistration:
    def load(_: Sequence[Path]) -> Synthesizer:
        return Synthesizer(models)

    return SourceRegistration(name, origin, "Apache-2.0 (computed, no samples)", frozenset(models), (), load, True)


WAVEGUIDE = _register("waveguide", "tonelake: plucked strings by waveguide", strings.MODELS)
MODAL = _register(
    "modal", "tonelake: modes of bars, bells, strings and drums", modal.MODELS | stiff_strings.MODELS | drums.MODELS
)
ADDITIVE = _register("additive", "tonelake: sums of harmonics", additive.MODELS | organs.MODELS)
FM = _register("fm", "tonelake: frequency modulation", fm.MODELS)
SUBTRACTIVE = _register("subtractive", "tonelake: filtered oscillators and noise", subtractive.MODELS | noises.MODELS)
