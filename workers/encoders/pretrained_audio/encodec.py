"""EnCodec's encoder: what a neural codec keeps of 24 kHz audio, before it is rounded to codes."""

from pathlib import Path

from schemas.audio import WindowSpec
from schemas.encoders import BackboneSpec, EncoderSpec, HeadSpec
from workers.encoders.base.registration import Entry
from workers.encoders.base.torch_encoder import NetEncoder
from workers.weights.cache import HubSource

SAMPLE_RATE = 24_000
DIM = 128

# The commit is that of mteb's encodec_models.py.
ENCODEC = HubSource(
    "encodec-24khz",
    "facebook/encodec_24khz",
    "c1dbe2ae3f1de713481a3b3e7c47f357092ee040",
    ("config.json", "model.safetensors|pytorch_model.bin"),
)

# Latents before the codes and their mean over time: as mteb does, in the same file. The net takes any length; windows
# of 10 s hold 750 latents each, and bound memory. Loudness is heard: the 24 kHz model does not level audio.
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


class Encodec(NetEncoder):
    """An Encoder."""

    def __init__(self, spec: EncoderSpec, models: Path) -> None:
        from torch import nn
        from transformers import EncodecModel

        from workers.encoders.base.pretrained import pretrained

        encoder = pretrained(EncodecModel, ENCODEC, models).encoder
        super().__init__(spec, nn.Sequential(nn.Unflatten(1, (1, -1)), encoder, nn.AdaptiveAvgPool1d(1), nn.Flatten()))


ENTRIES = (Entry(SPEC, Encodec, None, weights=(ENCODEC,), realtime_factor=15, on_gpu=True),)
