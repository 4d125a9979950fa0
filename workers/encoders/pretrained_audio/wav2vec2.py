"""wav2vec 2.0: a speech model trained without labels; a baseline to compare others with."""

from pathlib import Path

from schemas.audio import WindowSpec
from schemas.encoders import BackboneSpec, EncoderSpec, HeadSpec
from workers.encoders.base.registration import EncoderRegistration
from workers.encoders.base.torch_encoder import TorchEncoder
from workers.weights.sources import HubSource

SAMPLE_RATE = 16_000
DIM = 768

# The commit that mteb pins, in mteb/models/model_implementations/wav2vec2_models.py at 06cfeb85.
WAV2VEC2 = HubSource(
    "wav2vec2-base",
    "facebook/wav2vec2-base",
    "0b5b8e868dd84f03fd87d01f9c4ff0f080fecfe8",
    ("config.json", "preprocessor_config.json", "model.safetensors|pytorch_model.bin"),
)

# The mean over time of the last state, as in the same file of mteb.
SPEC = EncoderSpec(
    name="wav2vec2",
    licence="Apache-2.0",
    citation=(
        "A. Baevski, H. Zhou, A. Mohamed and M. Auli, wav2vec 2.0: A Framework for Self-Supervised Learning of Speech "
        "Representations, NeurIPS 2020"
    ),
    backbone=BackboneSpec(
        weights_sha256=WAV2VEC2.sha256(),
        windows=WindowSpec(sample_rate=SAMPLE_RATE, window=10 * SAMPLE_RATE, hop=10 * SAMPLE_RATE),
        layer="last of 12; windows levelled where preprocessor_config.json says so",
        pooling="mean over time, mean over windows",
        dim=DIM,
    ),
    head=HeadSpec(kind="identity", dim=DIM),
)


class Wav2Vec2(TorchEncoder):
    """wav2vec 2.0's Encoder."""

    def __init__(self, spec: EncoderSpec, models: Path) -> None:
        from transformers import Wav2Vec2Model

        from workers.encoders.base.pooled_states import PooledStates, load_front_end
        from workers.encoders.base.pretrained import load_pretrained

        front = load_front_end(WAV2VEC2, SAMPLE_RATE, models)
        super().__init__(spec, PooledStates(front, load_pretrained(Wav2Vec2Model, WAV2VEC2, models)))


REGISTRATIONS = (EncoderRegistration(SPEC, Wav2Vec2, None, weights=(WAV2VEC2,), realtime_factor=5, on_gpu=True),)
