"""The default encoder: musicnn's two networks, their tags and two heads.

The networks' weights are in the folder weights/. The head of `musicnn-conse` maps into the space of all-MiniLM-L6-v2
and needs no training. That of `musicnn` has this vector beside its own; it is in the folder head/ and was trained by
`make train-default`.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np

from schemas.audio import WindowSpec
from schemas.encoders import BackboneSpec, EncoderSpec, HeadSpec, TaggerSpec
from workers.encoders.base.registration import EncoderRegistration
from workers.encoders.joint.encoder import read_trained_model, trained_registration
from workers.encoders.musicnn.conse import PROMPT, TOP, add_prompt, combine_tag_vectors
from workers.encoders.musicnn.tags import VOCABULARY, merge_probabilities
from workers.encoders.musicnn.weights.files import MUSICNN, read_nets, read_tag_vectors
from workers.text.minilm_weights import MINILM

_HOP = 256
_FRAMES = 187
_NET_DIM = 753 + 753 + 200 + 50  # mean_pool, max_pool, penultimate, probabilities
_TAGS = 50

CONSE = EncoderSpec(
    name="musicnn-conse",
    licence="musicnn: ISC; all-MiniLM-L6-v2: Apache-2.0",
    citation=(
        "J. Pons and X. Serra, musicnn: pre-trained convolutional neural networks for music audio tagging, "
        "ISMIR 2019 late-breaking"
    ),
    backbone=BackboneSpec(
        weights_sha256=MUSICNN.sha256(),
        windows=WindowSpec(sample_rate=16_000, window=(_FRAMES - 1) * _HOP + 512, hop=_FRAMES * _HOP),
        layer="mean_pool, max_pool, penultimate and probabilities of MTT_musicnn, then of MSD_musicnn",
        pooling="mean over windows",
        dim=2 * _NET_DIM,
    ),
    head=HeadSpec(
        kind="conse",
        dim=384,
        weights_sha256=MINILM.sha256(),
        text_tower="all-MiniLM-L6-v2",
        parameters=(("prompt", PROMPT), ("top", TOP), ("vocabulary", ",".join(VOCABULARY))),
    ),
    tagger=TaggerSpec(vocabulary=VOCABULARY, threshold=0.2),
    base="musicnn",
)


class MusicnnEncoder:
    """musicnn's Encoder with the ConSE head, on the CPU."""

    def __init__(self, spec: EncoderSpec, _: Path) -> None:
        import torch

        from workers.encoders.musicnn.net import MusicnnNet

        # The many small products wait for each other: beside other work, two threads took 15 s and one takes 0.3 s.
        torch.set_num_threads(1)
        self.spec = spec
        self._net = MusicnnNet(read_nets())
        self._tag_vectors = read_tag_vectors()

    def embed_windows(self, windows: np.ndarray) -> np.ndarray:
        rows = [self._net(window) for window in windows]
        return np.concatenate([np.zeros((0, self.spec.backbone.dim), np.float32), *rows])

    def project(self, features: np.ndarray) -> np.ndarray:
        return combine_tag_vectors(self.tag(features), self._tag_vectors)

    def tag(self, features: np.ndarray) -> np.ndarray:
        # Rounded as the lake stores them: features from audio and from the lake give the same vectors and tags.
        features = features.astype(np.float16).astype(np.float32)
        return merge_probabilities(np.hstack([features[:, _NET_DIM - _TAGS : _NET_DIM], features[:, -_TAGS:]]))


class MusicnnTextTower:
    """musicnn-conse's TextTower: MiniLM on the text in the prompt that tags get."""

    def __init__(self, _: EncoderSpec, models: Path) -> None:
        from workers.text.minilm import MiniLM

        self._tower = MiniLM(models)

    def embed_text(self, texts: list[str]) -> np.ndarray:
        return self._tower.embed_text(add_prompt(texts))


def _with_trained_head(conse: EncoderRegistration) -> EncoderRegistration:
    folder = Path(__file__).with_name("head")
    trained = trained_registration(folder, read_trained_model(folder), conse)
    spec = replace(
        trained.spec,
        name="musicnn",
        licence=f"{conse.spec.licence}; head: trained by tonelake",
        citation=f"{conse.spec.citation}; {trained.spec.citation}",
        base="",
        folder="",
    )
    return replace(trained, spec=spec)


_CONSE_REGISTRATION = EncoderRegistration(
    CONSE, MusicnnEncoder, MusicnnTextTower, weights=(MINILM,), realtime_factor=55, verified=True
)
REGISTRATIONS = (_with_trained_head(_CONSE_REGISTRATION), _CONSE_REGISTRATION)
