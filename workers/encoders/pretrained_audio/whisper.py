"""Whisper's encoder: a model trained on labelled speech; a baseline to compare others with."""

from pathlib import Path

from schemas.audio import WindowSpec
from schemas.encoders import BackboneSpec, EncoderSpec, HeadSpec
from workers.encoders.base.registration import EncoderRegistration
from workers.encoders.base.torch_encoder import TorchEncoder
from workers.weights.sources import HubSource

SAMPLE_RATE, SECONDS = 16_000, 30  # the net takes only windows of 30 s
DIM = 512

# The commit that public code pins (at least ten files, among them a stored reply of the hub about this model).
WHISPER = HubSource(
    "whisper-base",
    "openai/whisper-base",
    "e37978b90ca9030d5170a5c07aadb050351a65bb",
    ("config.json", "model.safetensors|pytorch_model.bin"),
)

# The mean over time of the last state, as in mteb/models/model_implementations/whisper_models.py at 0bf05bc7.
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


class Whisper(TorchEncoder):
    """Whisper's Encoder."""

    def __init__(self, spec: EncoderSpec, models: Path) -> None:
        from transformers import WhisperModel

        from workers.encoders.base.pooled_states import PooledStates
        from workers.encoders.base.pretrained import load_pretrained
        from workers.encoders.pretrained_audio.whisper_mel import WhisperMel

        encoder = load_pretrained(WhisperModel, WHISPER, models).encoder
        mel = WhisperMel(SAMPLE_RATE, frame=400, hop=160, bands=encoder.config.num_mel_bins)
        super().__init__(spec, PooledStates(mel, encoder))


REGISTRATIONS = (EncoderRegistration(SPEC, Whisper, None, weights=(WHISPER,), realtime_factor=25, on_gpu=True),)
