"""OMAR-RQ: a conformer trained to guess masked audio codes. It makes 25 hidden states a second."""

from pathlib import Path

from schemas.audio import WindowSpec
from schemas.encoders import BackboneSpec, EncoderSpec, HeadSpec
from workers.encoders.base.registration import EncoderRegistration
from workers.encoders.base.torch_encoder import TorchEncoder
from workers.weights.cache import weights_folder
from workers.weights.sources import HubSource

# The layer that the authors' tagging probe and the example in their README read (MTG/omar-rq at 00fa1c54,
# cfg/downstream/tagging.gin: embedding_layer 6, mean over time).
LAYER = 6

CONFIG, _WEIGHTS = "config.gin", "model.ckpt"
# NOT PINNED: no public code names a commit of this repository (searched 2026-11).
WEIGHTS = HubSource("omar-rq", "mtg-upf/omar-rq-multifeature-25hz-fsq", "main", (CONFIG, _WEIGHTS))

SPEC = EncoderSpec(
    name="omar-rq",
    licence="weights: CC-BY-NC-SA-4.0",
    citation=(
        "P. Alonso-Jiménez et al., OMAR-RQ: Open Music Audio Representation Model Trained with Multi-Feature Masked "
        "Token Prediction, 2025, arXiv 2507.03482"
    ),
    backbone=BackboneSpec(
        weights_sha256=WEIGHTS.sha256(),
        windows=WindowSpec(sample_rate=24_000, window=30 * 24_000, hop=30 * 24_000),
        # The package computed these numbers first. Our own modules give the same, so the version stays.
        layer=f"omar-rq 0.2.1: multifeature-25hz-fsq, layer {LAYER} from 0, mean over time",
        pooling="mean over windows",
        dim=1024,
    ),
    head=HeadSpec(kind="identity", dim=1024),
)


class OmarRq(TorchEncoder):
    """OMAR-RQ's Encoder."""

    def __init__(self, spec: EncoderSpec, models: Path) -> None:
        import torch

        from workers.encoders.omar_rq.net import build_net, read_settings

        folder = weights_folder(WEIGHTS, models)
        weights = torch.load(folder / _WEIGHTS, map_location="cpu", weights_only=True, mmap=True)
        super().__init__(spec, build_net(weights, read_settings(folder / CONFIG), LAYER + 1))


REGISTRATIONS = (
    EncoderRegistration(
        SPEC,
        OmarRq,
        None,
        weights=(WEIGHTS,),
        realtime_factor=9,
        on_gpu=True,
        unpinned="no commit of its weights is known, so that its version does not name them",
    ),
)
