"""MuQ: a music model trained without labels.

The features are the mean of its hidden states over time and over all 13 states, because MARBLE (a43992899/MARBLE at
7d6c78dc, configs/probe.MuQ.*.yaml) probes all 13. Its probe learns how to weight them, which an encoder without labels
cannot. Windows of 30 s are those of MuQ's training (750 states, by a note in muq_model.py).
"""

from pathlib import Path

from schemas.audio import WindowSpec
from schemas.encoders import BackboneSpec, EncoderSpec, HeadSpec
from workers.encoders.base.registration import EncoderRegistration
from workers.encoders.base.torch_encoder import TorchEncoder
from workers.weights.cache import weights_folder
from workers.weights.sources import HubSource

_DIM = 1024
REPOSITORY, REVISION = "OpenMuQ/MuQ-large-msd-iter", "0562a57814f6f8bbd9fdea0a25921a2fce1a841a"
CONFIG, _WEIGHTS = "config.json", "model.safetensors"
MUQ = HubSource("muq-large-msd-iter", REPOSITORY, REVISION, (CONFIG, _WEIGHTS))

LICENCE = "code: MIT; weights: CC-BY-NC-4.0"
CITATION = (
    "H. Zhu et al., MuQ: Self-Supervised Music Representation Learning with Mel Residual Vector Quantization, "
    "arXiv 2501.01108, 2025"
)

SPEC = EncoderSpec(
    name="muq",
    licence=LICENCE,
    citation=CITATION,
    backbone=BackboneSpec(
        weights_sha256=MUQ.sha256(),
        windows=WindowSpec(sample_rate=24_000, window=720_000, hop=720_000),
        layer="mean of the conformer's input and its 12 layers' output, the last one normed",
        pooling="mean over time, then over windows",
        dim=_DIM,
    ),
    head=HeadSpec(kind="identity", dim=_DIM),
)


class Muq(TorchEncoder):
    """MuQ's Encoder."""

    def __init__(self, spec: EncoderSpec, models: Path) -> None:
        from safetensors.torch import load_file

        from workers.encoders.muq.net import MuqMean, build_backbone, read_settings

        folder = weights_folder(MUQ, models)
        backbone = build_backbone(load_file(folder / _WEIGHTS), read_settings(folder / CONFIG))
        super().__init__(spec, MuqMean(backbone))


REGISTRATIONS = (EncoderRegistration(SPEC, Muq, None, weights=(MUQ,), realtime_factor=2, on_gpu=True),)
