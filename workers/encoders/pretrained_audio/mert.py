"""MERT v1: music models without labels, built like HuBERT; one vector of all their layers.

The authors' own code (modeling_MERT.py beside the weights; yizhilll/MERT, scripts/mert_hf/ at 157dcbf6) is
transformers' HubertModel with three options: an input of constant-Q bands, DeepNorm, and attention_relax. The first
two are refused here; the third subtracts each row's maximum before its softmax, which moves no number. So HubertModel
loads their weights, and nothing that was fetched is executed.
"""

from pathlib import Path

from schemas.audio import WindowSpec
from schemas.encoders import BackboneSpec, EncoderSpec, HeadSpec
from schemas.errors import UserError
from workers.encoders.base.registration import Entry
from workers.encoders.base.torch_encoder import NetEncoder
from workers.weights.cache import HubSource

SAMPLE_RATE = 24_000
_REFUSED = ("feature_extractor_cqt", "deepnorm")


def _source(size: str, revision: str) -> HubSource:
    files = ("config.json", "preprocessor_config.json", "model.safetensors|pytorch_model.bin")
    return HubSource(f"mert-{size.lower()}", f"m-a-p/MERT-v1-{size}", revision, files)


# The commits that public code pins (searched 2026-11): that of 95M in ten files and more, that of 330M in five; one
# other pins 0e06c986 of 330M.
MERT = {
    "mert-95m": _source("95M", "12af15fef9d0ac838c3f475bfbbf26d2060dd4f5"),
    "mert-330m": _source("330M", "5240c2708a5acaee1007f43fb9735c7dcd0b78c9"),
}


def _spec(name: str, layers: int, dim: int) -> EncoderSpec:
    """The mean of all states over windows of 5 s, as CLaMP 3 hears MERT-95M.

    Source: sanderwood/clamp3, preprocessing/audio/extract_mert.py at 02be2e3f (layer None, reduction mean,
    --mean_features); it levels whole tracks, windows are levelled here. 5 s is what MERT was trained on. Whether 330M
    wants levelled audio, evaluations disagree (MARBLE had it off, then on): the file beside the weights says.
    """
    return EncoderSpec(
        name=name,
        licence="CC-BY-NC-4.0",
        citation=(
            "Y. Li et al., MERT: Acoustic Music Understanding Model with Large-Scale Self-Supervised Training, "
            "ICLR 2024, arXiv 2306.00107"
        ),
        backbone=BackboneSpec(
            weights_sha256=MERT[name].sha256(),
            windows=WindowSpec(sample_rate=SAMPLE_RATE, window=5 * SAMPLE_RATE, hop=5 * SAMPLE_RATE),
            layer=f"mean of all {layers + 1} states; windows levelled where preprocessor_config.json says so",
            pooling="mean over time, mean over windows",
            dim=dim,
        ),
        head=HeadSpec(kind="identity", dim=dim),
    )


class Mert(NetEncoder):
    """An Encoder; which of the two, its spec's name says."""

    def __init__(self, spec: EncoderSpec, models: Path) -> None:
        from transformers import HubertModel

        from workers.encoders.base.pooled_states import PooledStates, front_of
        from workers.encoders.base.pretrained import pretrained

        source = MERT[spec.model]
        net = pretrained(HubertModel, source, models)
        for option in _REFUSED:
            if getattr(net.config, option, False):
                raise UserError(f"config.json of {source.name} says {option}: this tonelake does not compute it")
        super().__init__(spec, PooledStates(front_of(source, SAMPLE_RATE, models), net, all_states=True))


ENTRIES = tuple(
    Entry(_spec(name, layers, dim), Mert, None, weights=(MERT[name],), realtime_factor=speed, on_gpu=True)
    for name, layers, dim, speed in (("mert-95m", 12, 768, 3), ("mert-330m", 24, 1024, 1))
)
