"""AST: a transformer over a spectrogram, trained on AudioSet; a baseline that people compare with, and a tagger.

A window holds just the 1,024 frames that the net takes, so that nothing is padded: the authors' ten seconds give 998,
and zeros behind them. Windows begin 1,024 frames apart.
"""

import warnings
from pathlib import Path

import numpy as np

from schemas.audio import WindowSpec
from schemas.encoders import BackboneSpec, EncoderSpec, HeadSpec, TaggerSpec
from schemas.errors import UserError
from workers.encoders.base.registration import Entry
from workers.encoders.base.torch_encoder import NetEncoder
from workers.encoders.spectrogram_transformers.audioset_tags import AUDIOSET_TAGS
from workers.weights.cache import HubSource, weights_folder

DIM = 768
FRAME, HOP, FRAMES = 400, 160, 1024  # 25 ms every 10 ms

# The commit as in nine public projects, such as Vokra's tools/parity/ast/dump_reference.py.
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


class SpectrogramTransformer(NetEncoder):
    """An Encoder. Its tagger starts with a layer normalisation: it tells the same of a vector as of its features."""

    def __init__(self, spec: EncoderSpec, models: Path) -> None:
        from transformers import ASTFeatureExtractor, ASTForAudioClassification

        from workers.encoders.base.pretrained import pretrained
        from workers.encoders.spectrogram_transformers.net import FilterBank, PooledTokens

        net = pretrained(ASTForAudioClassification, AST, models)
        _check_names(net.config.id2label)
        with warnings.catch_warnings(action="ignore"):  # of low bands that fall between two bins, in Kaldi too
            extractor = ASTFeatureExtractor.from_pretrained(weights_folder(AST, models), local_files_only=True)
            bank = FilterBank(extractor, FRAME, HOP)
        super().__init__(spec, PooledTokens(net.audio_spectrogram_transformer, bank))
        self._classifier = net.classifier

    def tag(self, features: np.ndarray) -> np.ndarray:
        import torch

        with torch.inference_mode():
            return self._classifier(torch.from_numpy(features)).sigmoid().numpy()


def _check_names(labels: dict[int, str]) -> None:
    """UserError where the classifier's rows are other classes than ours; spaces and signs do not count."""
    theirs = [labels[row] for row in sorted(labels)]
    for row, (one, other) in enumerate(zip(AUDIOSET_TAGS, theirs, strict=False)):
        if _letters(one) != _letters(other):
            raise UserError(f"row {row} of {AST.repository} is {other!r}, not {one!r}: its tags would be wrong")
    if len(theirs) != len(AUDIOSET_TAGS):
        raise UserError(f"{AST.repository} has {len(theirs)} classes, not {len(AUDIOSET_TAGS)}")


def _letters(name: str) -> str:
    return "".join(filter(str.isalnum, name.lower()))


ENTRIES = (Entry(SPEC, SpectrogramTransformer, None, weights=(AST,), realtime_factor=4, on_gpu=True),)
