"""The embedded default: musicnn's two networks, their tags, and two ways into the space of all-MiniLM-L6-v2.

`musicnn` has the head of head/, trained by `make train-default`; `musicnn-conse` needs no training.

from workers.encoders.registry import load_encoder
"""

from dataclasses import replace
from pathlib import Path

import numpy as np

from schemas.audio import WindowSpec
from schemas.encoders import BackboneSpec, EncoderSpec, HeadSpec, TaggerSpec
from workers.encoders.base.registration import Entry
from workers.encoders.joint.encoder import read_trained, trained_entry
from workers.encoders.musicnn.conse import PROMPT, TOP, conse, prompted
from workers.encoders.musicnn.tags import VOCABULARY, merged
from workers.encoders.musicnn.weights import MUSICNN, NETS_FILE, TAGS_FILE
from workers.text.minilm_weights import MINILM
from workers.weights.cache import weights_folder

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


class MusicNN:
    """An Encoder, on the CPU."""

    def __init__(self, spec: EncoderSpec, models: Path) -> None:
        import torch
        from safetensors.numpy import load_file
        from safetensors.torch import load_file as load_tensors

        from workers.encoders.musicnn.net import MusicnnNet

        # Its many small products wait for each other: beside other work two threads took 15 s, one takes 0.3.
        torch.set_num_threads(1)
        self.spec = spec
        folder = weights_folder(MUSICNN, models)
        self._net = MusicnnNet(load_tensors(folder / NETS_FILE))
        self._tag_vectors = load_file(folder / TAGS_FILE)["tag_vectors"]

    def embed_windows(self, windows: np.ndarray) -> np.ndarray:
        rows = [self._net(window) for window in windows]
        return np.concatenate([np.zeros((0, self.spec.backbone.dim), np.float32), *rows])

    def project(self, features: np.ndarray) -> np.ndarray:
        return conse(self.tag(features), self._tag_vectors)

    def tag(self, features: np.ndarray) -> np.ndarray:
        # The lake keeps features as float16: rounding here too, a vector or tag computed from stored features is
        # the very one that was computed from the audio.
        features = features.astype(np.float16).astype(np.float32)
        return merged(np.hstack([features[:, _NET_DIM - _TAGS : _NET_DIM], features[:, -_TAGS:]]))


class MusicNNText:
    """Its TextTower: MiniLM on the text in the tags' prompt."""

    def __init__(self, _: EncoderSpec, models: Path) -> None:
        from workers.text.minilm import MiniLM

        self._tower = MiniLM(models)

    def embed_text(self, texts: list[str]) -> np.ndarray:
        return self._tower.embed_text(prompted(texts))


def _with_head(conse: Entry) -> Entry:
    folder = Path(__file__).with_name("head")
    entry = trained_entry(folder, read_trained(folder), conse)
    spec = replace(
        entry.spec,
        name="musicnn",
        licence=f"{conse.spec.licence}; head: trained by tonelake",
        citation=f"{conse.spec.citation}; {entry.spec.citation}",
        base="",
        folder="",
    )
    return replace(entry, spec=spec)


_CONSE_ENTRY = Entry(CONSE, MusicNN, MusicNNText, weights=(MINILM, MUSICNN), realtime_factor=55)
ENTRIES = (_with_head(_CONSE_ENTRY), _CONSE_ENTRY)
