"""TTMR: music, tags and sentences in one space of 128 numbers, in the ten ways in which it was trained.

A text was one tag for the models "tag", all tags of a track for "sentence", a random part of them for "stochastic".
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from schemas.audio import WindowSpec
from schemas.encoders import BackboneSpec, EncoderSpec, HeadSpec, TaggerSpec
from workers.encoders.base.registration import Entry
from workers.encoders.base.torch_encoder import NetEncoder, unit
from workers.encoders.ttmr.tags import ECALS_TAGS
from workers.text.torch_text_tower import NetText
from workers.weights.cache import HubSource, Source, UrlSource, weights_folder

DIM = 128
MAX_TOKENS = 512  # BERT has no more places; in training texts had at most 64
HEADS = 12  # BERT's, the only one of its sizes that its weights do not tell
SAMPLE_RATE, WINDOW = 16_000, 158_560  # 9.91 s

# The tokenizer alone: the weights of BERT, trained further, are in the checkpoints.
BERT_TOKENIZER = HubSource(
    "bert-base-uncased-tokenizer",
    "google-bert/bert-base-uncased",
    "86b5e0934494bd15c9632b12f734a8a67f723594",
    ("tokenizer.json",),
)
# Not seen: the authors' code reads the table from beside the annotations of this record, whose printed list of files
# (seungheondoh/msd-subsets, README.md) leaves it out.
GLOVE = UrlSource(
    "ttmr-glove-tags",
    "https://zenodo.org/record/7107130/files/dataset.tar.gz",
    members=("dataset/ecals_annotation/glove_tag_embs.pt",),
)


@dataclass(frozen=True, slots=True)
class _Model:
    """One of the published models, by the authors' words for it."""

    framework: str
    text: str = ""
    represented: str = ""

    @property
    def name(self) -> str:
        return "-".join(["ttmr", self.framework, self.text, self.represented]).rstrip("-")

    @property
    def source(self) -> UrlSource:
        """Its member of the one archive, which holds all: each model fetches the whole of it once."""
        folder = f"{self.text}_{self.represented}".replace("sentence", "caption") if self.text else "binary_tag"
        return UrlSource(
            self.name,
            "https://zenodo.org/record/7322135/files/mtr.tar.gz",
            members=(f"mtr/{self.framework}/exp/transformer_cnn_cf_mel/{folder}/best.pth",),
        )

    @property
    def text_source(self) -> Source | None:
        return {"bert": BERT_TOKENIZER, "glove": GLOVE}.get(self.text)

    @property
    def head(self) -> HeadSpec:
        if self.text_source is None:
            return HeadSpec(kind="identity", dim=DIM)
        towers = {
            "bert": ("BERT, CLS of the last layer", (("max_tokens", MAX_TOKENS),)),
            "glove": ("GloVe of whole tags, mean", (("unknown", "its words, else zeros"),)),
        }
        tower, parameters = towers[self.text]
        digest = self.text_source.sha256()
        return HeadSpec("identity", DIM, weights_sha256=digest, text_tower=tower, parameters=parameters)

    @property
    def spec(self) -> EncoderSpec:
        return EncoderSpec(
            name=self.name,
            licence="CC-BY-NC-4.0 by the README; there is no LICENSE file",
            citation=(
                "S. Doh, M. Won, K. Choi and J. Nam, Toward Universal Text-to-Music Retrieval, ICASSP 2023; "
                "https://zenodo.org/record/7322135"
            ),
            backbone=BackboneSpec(
                weights_sha256=self.source.sha256(),
                windows=WindowSpec(sample_rate=SAMPLE_RATE, window=WINDOW, hop=WINDOW),
                layer="joint projection of CLS" + ("" if self.text else ", of length 1") + "; mel of the real part",
                pooling="mean over windows",
                dim=DIM,
            ),
            head=self.head,
            tagger=None if self.text else TaggerSpec(vocabulary=ECALS_TAGS, threshold=0.2),
        )


def checkpoint_file(source: UrlSource, models: Path) -> Path:
    """The checkpoint in the folder of its source."""
    return weights_folder(source, models) / source.members[0].replace("/", "--")


class Ttmr(NetEncoder):
    """An Encoder."""

    def __init__(self, spec: EncoderSpec, models: Path) -> None:
        from workers.encoders.ttmr.net import music_tower, read_checkpoint

        weights = read_checkpoint(checkpoint_file(MODELS[spec.model].source, models))
        super().__init__(spec, music_tower(weights))
        self._classes = weights["head.fc_cls.weight"].numpy() if spec.tagger else None

    def embed_windows(self, windows: np.ndarray) -> np.ndarray:
        features = super().embed_windows(windows)
        # Only the classifier was trained on vectors of length 1.
        return features if self._classes is None else unit(features)

    def tag(self, features: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(-features @ self._classes.T))


class TtmrBert(NetText):
    """The TextTower of the BERT models."""

    def __init__(self, spec: EncoderSpec, models: Path) -> None:
        from workers.encoders.ttmr.net import part, projection, read_checkpoint
        from workers.text.bert import FirstToken, bert_of

        weights = read_checkpoint(checkpoint_file(MODELS[spec.model].source, models))
        bert = bert_of(part(weights, "text_encoder."), HEADS)
        net = FirstToken(bert, projection(part(weights, "text_projector.")))
        super().__init__(net, weights_folder(BERT_TOKENIZER, models) / "tokenizer.json", MAX_TOKENS, spec.head.dim)


class TtmrGlove:
    """The TextTower of the GloVe models: tags, joined with commas; no sentences."""

    def __init__(self, spec: EncoderSpec, models: Path) -> None:
        from workers.encoders.ttmr.net import part, projection, read_checkpoint
        from workers.text.glove_tags import GloveTags

        weights = read_checkpoint(checkpoint_file(MODELS[spec.model].source, models))
        self._projection = projection(part(weights, "text_projector."))
        self._tags = GloveTags(checkpoint_file(GLOVE, models))
        self._dim = spec.head.dim

    def embed_text(self, texts: list[str]) -> np.ndarray:
        import torch

        with torch.inference_mode():
            vectors = [torch.from_numpy(self._tags.vector(text))[None] for text in texts]
            rows = [unit(self._projection(vector).numpy()) for vector in vectors]
        return np.concatenate([np.zeros((0, self._dim), np.float32), *rows])


MODELS = {
    model.name: model
    for model in (
        *(_Model("contrastive", "bert", represented) for represented in ("tag", "sentence", "stochastic")),
        *(_Model("triplet", "bert", represented) for represented in ("tag", "sentence", "stochastic")),
        *(_Model("triplet", "glove", represented) for represented in ("tag", "sentence", "stochastic")),
        _Model("classification"),
    )
}


def _entry(model: _Model) -> Entry:
    text = {"bert": TtmrBert, "glove": TtmrGlove}.get(model.text)
    weights = (model.source, *([model.text_source] if model.text_source else []))
    return Entry(model.spec, Ttmr, text, weights, realtime_factor=8, on_gpu=True)


ENTRIES = tuple(_entry(model) for model in MODELS.values())
