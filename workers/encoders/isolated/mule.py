"""MULE: slow and fast convolutions over 3 s, trained without labels; heard by the package mule-torch."""

from functools import partial
from pathlib import Path

import numpy as np

from schemas.audio import WindowSpec
from schemas.encoders import BackboneSpec, EncoderSpec, HeadSpec
from workers.encoders.base.isolated import Environment, Isolated
from workers.encoders.base.registration import Entry
from workers.encoders.base.torch_encoder import NetEncoder
from workers.weights.cache import HubSource, weights_folder

_HOP, _FRAMES = 160, 300
_SLICE_EVERY = 200
# The original reads 16-bit samples as n / 2^16, so that full scale is a half (mule-torch's README, "Amplitude
# convention"): what the networks were trained on.
_FULL_SCALE = np.float32(0.5)

PACKAGES = Environment("mule", ("mule-torch==0.2.0",))
# NOT PINNED: no public code names a commit of this repository (searched 2026-11), and none is made up here.
WEIGHTS = HubSource("mule", "matteospanio/mule", "main", ("config.json", "model.safetensors"))

SPEC = EncoderSpec(
    name="mule",
    licence="weights: CC-BY-NC-4.0; mule-torch: GPL-3.0, in a process of its own",
    citation=(
        "M. C. McCallum, F. Korzeniowski, S. Oramas, F. Gouyon and A. F. Ehmann, Supervised and Unsupervised Learning "
        "of Audio Representations for Music Understanding, ISMIR 2022, arXiv 2210.03799"
    ),
    backbone=BackboneSpec(
        weights_sha256=WEIGHTS.sha256(),
        # Exactly the frames of one slice, so that the package neither crops nor pads.
        windows=WindowSpec(sample_rate=16_000, window=(_FRAMES - 1) * _HOP, hop=_SLICE_EVERY * _HOP),
        layer="mule-torch 0.2.0: slow and fast path, averaged over time and frequency; full scale is 0.5",
        pooling="mean over windows",
        dim=1728,
    ),
    head=HeadSpec(kind="identity", dim=1728),
)


class Mule(NetEncoder):
    """An Encoder, where mule-torch can be imported."""

    def __init__(self, spec: EncoderSpec, models: Path) -> None:
        from mule_torch import MuleModel

        from workers.encoders.base.inference import in_float32

        net = MuleModel.from_pretrained(hf_repo=None, model_dir=weights_folder(WEIGHTS, models))
        net.frontend.forward = in_float32(net.frontend.forward)
        super().__init__(spec, net)

    def embed_windows(self, windows: np.ndarray) -> np.ndarray:
        return super().embed_windows(windows * _FULL_SCALE)


ENTRIES = (
    Entry(
        SPEC,
        partial(Isolated, PACKAGES, Mule),
        None,
        weights=(PACKAGES, WEIGHTS),
        realtime_factor=3,
        on_gpu=True,
        unproven="no commit of its weights is known, so that its version does not name them",
    ),
)
