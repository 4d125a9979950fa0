"""MAEST: a transformer over 30 s of spectrogram, trained to tag 519 styles of Discogs.

The authors' repository on the hub holds it as transformers' ASTForAudioClassification (palonso/MAEST, the script that
uploaded it). So neither their package (AGPL-3.0) nor the code in that repository is needed or run.
"""

from pathlib import Path

import numpy as np

from schemas.audio import WindowSpec
from schemas.encoders import BackboneSpec, EncoderSpec, HeadSpec, TaggerSpec
from schemas.errors import UserError
from workers.encoders.base.registration import EncoderRegistration
from workers.encoders.base.torch_encoder import TorchEncoder
from workers.encoders.spectrogram_transformers.maest_tags import STYLES
from workers.weights.sources import HubSource

DIM = 768
SAMPLE_RATE, SECONDS = 16_000, 30

# The commit that ten public files pin, such as a table of file sizes that gives the weights 347,827,260 bytes.
MAEST = HubSource(
    "maest",
    "mtg-upf/discogs-maest-30s-pw-129e-519l",
    "6c35f32a350f74351870937d5ae0bae1d898d1df",
    ("config.json", "model.safetensors"),
)

SPEC = EncoderSpec(
    name="maest",
    licence="CC-BY-NC-SA-4.0 for MAEST's models; none stated beside these weights",
    citation=(
        "P. Alonso-Jiménez, X. Serra and D. Bogdanov, Efficient Supervised Training of Audio Transformers for Music "
        "Representation Learning, ISMIR 2023, arXiv 2309.16418"
    ),
    backbone=BackboneSpec(
        weights_sha256=MAEST.sha256(),
        windows=WindowSpec(sample_rate=SAMPLE_RATE, window=SECONDS * SAMPLE_RATE, hop=SECONDS * SAMPLE_RATE),
        layer="mean of the two tokens of the last layer, normalised",
        pooling="mean over windows",
        dim=DIM,
    ),
    head=HeadSpec(kind="identity", dim=DIM),
    tagger=TaggerSpec(vocabulary=STYLES, threshold=0.2),
)


class Maest(TorchEncoder):
    """MAEST's Encoder.

    The tagger starts with a layer normalisation, so that unit vectors get the same tags as their features.
    """

    def __init__(self, spec: EncoderSpec, models: Path) -> None:
        from transformers import ASTForAudioClassification

        from workers.encoders.base.pretrained import load_pretrained
        from workers.encoders.spectrogram_transformers.maest_net import MaestNet

        net = load_pretrained(ASTForAudioClassification, MAEST, models)
        if tuple(net.config.id2label[row] for row in sorted(net.config.id2label)) != STYLES:
            raise UserError(f"the classes of {MAEST.repository} are not the 519 styles known here, in their order")
        super().__init__(spec, MaestNet(net.audio_spectrogram_transformer))
        self._classifier = net.classifier

    def tag(self, features: np.ndarray) -> np.ndarray:
        import torch

        with torch.inference_mode():
            return self._classifier(torch.from_numpy(features)).sigmoid().numpy()


REGISTRATIONS = (EncoderRegistration(SPEC, Maest, None, weights=(MAEST,), realtime_factor=6, on_gpu=True),)
