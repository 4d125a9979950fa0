"""Whisper's encoder: a model of labelled speech, a baseline that others are compared with."""

from pathlib import Path

from schemas.audio import WindowSpec
from schemas.encoders import BackboneSpec, EncoderSpec, HeadSpec
from workers.encoders.base.registration import Entry
from workers.encoders.base.torch_encoder import NetEncoder
from workers.weights.cache import HubSource

SAMPLE_RATE, SECONDS = 16_000, 30  # the net takes windows of 30 s and no others
DIM = 512

# The commit that public code pins (ten files and more, among them a kept reply of the hub about this model).
WHISPER = HubSource(
    "whisper-base",
    "openai/whisper-base",
    "e37978b90ca9030d5170a5c07aadb050351a65bb",
    ("config.json", "model.safetensors|pytorch_model.bin"),
)

# Last state and mean over time: as mteb does, mteb/models/model_implementations/whisper_models.py at 0bf05bc7.
SPEC = EncoderSpec(
    name="whisper",
    licence="Apache-2.0 on the hub, MIT at openai/whisper",
    citation=(
        "A. Radford, J. W. Kim, T. Xu, G. Brockman, C. McLeavey and I. Sutskever, Robust Speech Recognition via "
        "Large-Scale Weak Supervision, ICML 2023, arXiv 2212.04356"
    ),
    backbone=BackboneSpec(
        weights_sha256=WHISPER.sha256(),
        windows=WindowSpec(sample_rate=SAMPLE_RATE, window=SECONDS * SAMPLE_RATE, hop=SECONDS * SAMPLE_RATE),
        layer="last of the encoder's 6, after its norm; floor of the spectrogram from each window",
        pooling="mean over time, mean over windows",
        dim=DIM,
    ),
    head=HeadSpec(kind="identity", dim=DIM),
)


class Whisper(NetEncoder):
    """An Encoder."""

    def __init__(self, spec: EncoderSpec, models: Path) -> None:
        from transformers import WhisperModel

        from workers.encoders.base.pooled_states import PooledStates
        from workers.encoders.base.pretrained import pretrained
        from workers.encoders.pretrained_audio.whisper_mel import WhisperMel

        encoder = pretrained(WhisperModel, WHISPER, models).encoder
        mel = WhisperMel(SAMPLE_RATE, frame=400, hop=160, bands=encoder.config.num_mel_bins)
        super().__init__(spec, PooledStates(mel, encoder))


ENTRIES = (Entry(SPEC, Whisper, None, weights=(WHISPER,), realtime_factor=25, on_gpu=True),)
