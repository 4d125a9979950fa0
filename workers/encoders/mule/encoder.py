"""MULE: slow and fast convolutions over 3 s, trained without labels."""

from pathlib import Path

import numpy as np

from schemas.audio import WindowSpec
from schemas.encoders import BackboneSpec, EncoderSpec, HeadSpec
from workers.encoders.base.interface import Windows
from workers.encoders.base.registration import EncoderRegistration
from workers.encoders.base.torch_encoder import TorchEncoder
from workers.weights.cache import weights_folder
from workers.weights.sources import HubSource

_HOP, _FRAMES = 160, 300  # samples; frames of one slice
_SLICE_HOP = 200  # frames
# The networks were trained on 16-bit samples read as n / 2^16, so that full scale is a half (mule-torch's README,
# "Amplitude convention").
_FULL_SCALE = np.float32(0.5)

CONFIG, _WEIGHTS = "config.json", "model.safetensors"
# NOT PINNED: no public code names a commit of this repository (searched 2026-11).
WEIGHTS = HubSource("mule", "matteospanio/mule", "main", (CONFIG, _WEIGHTS))

SPEC = EncoderSpec(
    name="mule",
    licence="weights: CC-BY-NC-4.0",
    citation=(
        "M. C. McCallum, F. Korzeniowski, S. Oramas, F. Gouyon and A. F. Ehmann, Supervised and Unsupervised Learning "
        "of Audio Representations for Music Understanding, ISMIR 2022, arXiv 2210.03799"
    ),
    backbone=BackboneSpec(
        weights_sha256=WEIGHTS.sha256(),
        # A window has exactly the frames of one slice, so that nothing is cropped or padded.
        windows=WindowSpec(sample_rate=16_000, window=(_FRAMES - 1) * _HOP, hop=_SLICE_HOP * _HOP),
        # The package computed these numbers first. Our own modules give the same, so the version stays.
        layer="mule-torch 0.2.0: slow and fast path, averaged over time and frequency; full scale is 0.5",
        pooling="mean over windows",
        dim=1728,
    ),
    head=HeadSpec(kind="identity", dim=1728),
)


class Mule(TorchEncoder):
    """MULE's Encoder."""

    def __init__(self, spec: EncoderSpec, models: Path) -> None:
        from safetensors.torch import load_file

        from workers.encoders.mule.net import build_net, require_known_settings

        folder = weights_folder(WEIGHTS, models)
        require_known_settings(folder / CONFIG)
        super().__init__(spec, build_net(load_file(folder / _WEIGHTS)))

    def embed_windows(self, windows: Windows) -> np.ndarray:
        return super().embed_windows([window * _FULL_SCALE for window in windows])


REGISTRATIONS = (
    EncoderRegistration(
        SPEC,
        Mule,
        None,
        weights=(WEIGHTS,),
        realtime_factor=3,
        on_gpu=True,
        unpinned="no commit of its weights is known, so that its version does not name them",
    ),
)
