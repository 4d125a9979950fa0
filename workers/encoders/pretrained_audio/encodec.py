"""EnCodec's encoder: the latents of a neural codec for 24 kHz audio, before quantisation."""

from pathlib import Path

from schemas.audio import WindowSpec
from schemas.encoders import BackboneSpec, EncoderSpec, HeadSpec
from workers.encoders.base.registration import EncoderRegistration
from workers.encoders.base.torch_encoder import TorchEncoder
from workers.weights.sources import HubSource

SAMPLE_RATE = 24_000
DIM = 128

# The commit that mteb's encodec_models.py pins.
ENCODEC = HubSource(
    "encodec-24khz",
    "facebook/encodec_24khz",
    "c1dbe2ae3f1de713481a3b3e7c47f357092ee040",
    ("config.json", "model.safetensors|pytorch_model.bin"),
)

# The mean over time of the latents before quantisation, as in the same file of mteb. The net takes any length; windows
# of 10 s (750 latents) bound the memory. Vectors depend on loudness: the 24 kHz model does not normalise audio.
SPEC = EncoderSpec(
    name="encodec",
    licence="MIT at facebookresearch/encodec; for the weights it is not said (issue 69 there; mteb: CC-BY-NC-4.0)",
    citation=(
        "A. Defossez, J. Copet, G. Synnaeve and Y. Adi, High Fidelity Neural Audio Compression, TMLR 2023, "
        "arXiv 2210.13438"
    ),
    backbone=BackboneSpec(
        weights_sha256=ENCODEC.sha256(),
        windows=WindowSpec(sample_rate=SAMPLE_RATE, window=10 * SAMPLE_RATE, hop=10 * SAMPLE_RATE),
        layer="the encoder's latents, before quantisation",
        pooling="mean over time, mean over windows",
        dim=DIM,
    ),
    head=HeadSpec(kind="identity", dim=DIM),
)


class Encodec(TorchEncoder):
    """EnCodec's Encoder."""

    def __init__(self, spec: EncoderSpec, models: Path) -> None:
        from torch import nn
        from transformers import EncodecModel

        from workers.encoders.base.pretrained import load_pretrained

        encoder = load_pretrained(EncodecModel, ENCODEC, models).encoder
        super().__init__(spec, nn.Sequential(nn.Unflatten(1, (1, -1)), encoder, nn.AdaptiveAvgPool1d(1), nn.Flatten()))


REGISTRATIONS = (EncoderRegistration(SPEC, Encodec, None, weights=(ENCODEC,), realtime_factor=15, on_gpu=True),)
