"""AST: a transformer over a spectrogram, trained on AudioSet; a common baseline and a tagger.

A window holds exactly the 1,024 frames that the net takes, so that nothing is padded. The authors' ten seconds give
998 frames, which they pad with zeros. Windows start 1,024 frames apart.
"""

import warnings
from pathlib import Path

import numpy as np

from schemas.audio import WindowSpec
from schemas.encoders import BackboneSpec, EncoderSpec, HeadSpec, TaggerSpec
from schemas.errors import UserError
from workers.encoders.base.registration import EncoderRegistration
from workers.encoders.base.torch_encoder import TorchEncoder
from workers.encoders.spectrogram_transformers.audioset_tags import AUDIOSET_TAGS
from workers.weights.cache import weights_folder
from workers.weights.sources import HubSource

DIM = 768
FRAME, HOP, FRAMES = 400, 160, 1024  # 25 ms every 10 ms

# The commit that nine public projects pin, such as Vokra's tools/parity/ast/dump_reference.py.
AST = HubSource(
    "ast",
    "MIT/ast-finetuned-audioset-10-10-0.4593",
    "f826b80d28226b62986cc218e5cec390b1096902",
    ("config.json", "preprocessor_config.json", "model.safetensors|pytorch_model.bin"),
)

SPEC = EncoderSpec(
    name="ast",
    licence="BSD-3-Clause",
    citation="Y. Gong, Y.-A. Chung, J. Glass, AST: Audio Spectrogram Transformer, Interspeech 2021, arXiv 2104.01778",
    backbone=BackboneSpec(
        weights_sha256=AST.sha256(),
        windows=WindowSpec(sample_rate=16_000, window=(FRAMES - 1) * HOP + FRAME, hop=FRAMES * HOP),
        layer="mean of the two tokens of the last layer, normalised",
        pooling="mean over windows",
        dim=DIM,
    ),
    head=HeadSpec(kind="identity", dim=DIM),
    tagger=TaggerSpec(vocabulary=AUDIOSET_TAGS, threshold=0.2),
)


class SpectrogramTransformer(TorchEncoder):
    """AST's Encoder.

    The tagger starts with a layer normalisation, so that unit vectors get the same tags as their features.
    """

    def __init__(self, spec: EncoderSpec, models: Path) -> None:
        from transformers import ASTFeatureExtractor, ASTForAudioClassification

        from workers.encoders.base.pretrained import load_pretrained
        from workers.encoders.spectrogram_transformers.net import AstNet, FilterBank

        net = load_pretrained(ASTForAudioClassification, AST, models)
        _check_labels(net.config.id2label)
        with warnings.catch_warnings(action="ignore"):  # some low bands fall between two bins; so they do in Kaldi
            extractor = ASTFeatureExtractor.from_pretrained(weights_folder(AST, models), local_files_only=True)
            bank = FilterBank(extractor, FRAME, HOP)
        super().__init__(spec, AstNet(net.audio_spectrogram_transformer, bank))
        self._classifier = net.classifier

    def tag(self, features: np.ndarray) -> np.ndarray:
        import torch

        with torch.inference_mode():
            return self._classifier(torch.from_numpy(features)).sigmoid().numpy()


def _check_labels(labels: dict[int, str]) -> None:
    """Check that the classifier's rows are our tags, ignoring spaces and punctuation.

    Raises UserError if not.
    """
    names = [labels[row] for row in sorted(labels)]
    for row, (tag, name) in enumerate(zip(AUDIOSET_TAGS, names, strict=False)):
        if _alphanumeric(tag) != _alphanumeric(name):
            raise UserError(f"row {row} of {AST.repository} is {name!r}, not {tag!r}: its tags would be wrong")
    if len(names) != len(AUDIOSET_TAGS):
        raise UserError(f"{AST.repository} has {len(names)} classes, not {len(AUDIOSET_TAGS)}")


def _alphanumeric(name: str) -> str:
    return "".join(filter(str.isalnum, name.lower()))


REGISTRATIONS = (EncoderRegistration(SPEC, SpectrogramTransformer, None, (AST,), realtime_factor=4, on_gpu=True),)
