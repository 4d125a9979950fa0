"""MERT v1: music models trained without labels; the features are the mean of all layers.

The authors' own code (modeling_MERT.py beside the weights; yizhilll/MERT, scripts/mert_hf/ at 157dcbf6) is
transformers' HubertModel with three options: an input of constant-Q bands, DeepNorm, and attention_relax. The first
two are refused here; the third subtracts each row's maximum before its softmax, which changes no number. So
HubertModel loads the weights, and no fetched code is executed.
"""

from pathlib import Path

from schemas.audio import WindowSpec
from schemas.encoders import BackboneSpec, EncoderSpec, HeadSpec
from schemas.errors import UserError
from workers.encoders.base.registration import EncoderRegistration
from workers.encoders.base.torch_encoder import TorchEncoder
from workers.weights.sources import HubSource

SAMPLE_RATE = 24_000
_REFUSED_OPTIONS = ("feature_extractor_cqt", "deepnorm")


def _source(size: str, revision: str) -> HubSource:
    files = ("config.json", "preprocessor_config.json", "model.safetensors|pytorch_model.bin")
    return HubSource(f"mert-{size.lower()}", f"m-a-p/MERT-v1-{size}", revision, files)


# The commits that public code pins (searched 2026-11): that of 95M in at least ten files, that of 330M in five. One
# more file pins 0e06c986 of 330M.
MERT = {
    "mert-95m": _source("95M", "12af15fef9d0ac838c3f475bfbbf26d2060dd4f5"),
    "mert-330m": _source("330M", "5240c2708a5acaee1007f43fb9735c7dcd0b78c9"),
}


def _spec(name: str, layers: int, dim: int) -> EncoderSpec:
    """Return the spec of a MERT model.

    The features are the mean of all states over windows of 5 s, which MERT was trained on, as CLaMP 3 uses MERT-95M.
    Source: sanderwood/clamp3, preprocessing/audio/extract_mert.py at 02be2e3f (layer None, reduction mean,
    --mean_features). CLaMP 3 normalises whole tracks; here each window is normalised. Evaluations disagree on whether
    to normalise audio for 330M (MARBLE did not, then did): the file beside the weights decides.
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


class Mert(TorchEncoder):
    """MERT's Encoder; the spec's name selects the model."""

    def __init__(self, spec: EncoderSpec, models: Path) -> None:
        from transformers import HubertModel

        from workers.encoders.base.pooled_states import PooledStates, load_front_end
        from workers.encoders.base.pretrained import load_pretrained

        source = MERT[spec.model]
        net = load_pretrained(HubertModel, source, models)
        for option in _REFUSED_OPTIONS:
            if getattr(net.config, option, False):
                raise UserError(f"config.json of {source.name} sets {option}: this tonelake does not compute it")
        super().__init__(spec, PooledStates(load_front_end(source, SAMPLE_RATE, models), net, all_states=True))


_MODELS = (("mert-95m", 12, 768, 3), ("mert-330m", 24, 1024, 1))
REGISTRATIONS = tuple(
    EncoderRegistration(_spec(name, layers, dim), Mert, None, (MERT[name],), realtime_factor, on_gpu=True)
    for name, layers, dim, realtime_factor in _MODELS
)
