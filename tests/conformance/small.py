"""Small versions of the encoders whose weights no test machine can fetch: real wrapper, real architecture.

A builder writes seeded random weights to where the encoder looks for its own, and returns the encoder's spec with the
small dimensions. The conformance suite then runs through the code that ships.
"""

from collections.abc import Callable
from pathlib import Path

from schemas.encoders import EncoderSpec
from tests.conformance import (
    small_clamp3,
    small_clap,
    small_maest,
    small_mule,
    small_muq,
    small_omar_rq,
    small_spectrogram_transformer,
    small_ssl,
    small_tagging_cnn,
    small_ttmr,
    small_ttmr_pp,
)
from workers.encoders.registry import ENCODERS

Builder = Callable[[Path], EncoderSpec]

SMALL: dict[str, Builder] = {
    **small_ttmr.SMALL,
    **small_ttmr_pp.SMALL,
    **small_tagging_cnn.SMALL,
    **small_ssl.SMALL,
    **small_clap.SMALL,
    **small_muq.SMALL,
    **small_spectrogram_transformer.SMALL,
    **small_clamp3.SMALL,
    **small_maest.SMALL,
    **small_mule.SMALL,
    **small_omar_rq.SMALL,
}


def spec_and_models(name: str, models: Path, small_models: Path) -> tuple[EncoderSpec, Path]:
    """Return the spec and the models folder to load an encoder with: its own, or those of its small version."""
    if name in SMALL:
        return SMALL[name](small_models), small_models
    return ENCODERS[name].spec, models
