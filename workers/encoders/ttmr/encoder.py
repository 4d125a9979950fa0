"""TTMR: music, tags and sentences in one space of 128 dimensions; ten published models.

In training, a text was one tag for the models "tag", all tags of a track for "sentence", and a random part of them for
"stochastic".
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from schemas.audio import WindowSpec
from schemas.encoders import BackboneSpec, EncoderSpec, HeadSpec, TaggerSpec
from workers.encoders.base.interface import Windows
from workers.encoders.base.registration import EncoderRegistration
from workers.encoders.base.torch_encoder import TorchEncoder, normalise_rows
from workers.encoders.ttmr.tags import ECALS_TAGS
from workers.text.torch_text_tower import TorchTextTower
from workers.weights.cache import weights_folder
from workers.weights.sources import HubSource, Source, UrlSource

DIM = 128
MAX_TOKENS = 512  # BERT has no more positions; training texts had at most 64 tokens
HEADS = 12  # BERT's; the weights determine all its other sizes
SAMPLE_RATE, WINDOW = 16_000, 158_560  # 9.91 s

# The tokenizer alone: the checkpoints hold the further trained weights of BERT.
BERT_TOKENIZER = HubSource(
    "bert-base-uncased-tokenizer",
    "google-bert/bert-base-uncased",
    "86b5e0934494bd15c9632b12f734a8a67f723594",
    ("tokenizer.json",),
)
# The archive could not be seen. The authors' code reads the table from beside the annotations of this record, but the
# record's printed list of files (seungheondoh/msd-subsets, README.md) does not have it.
GLOVE = UrlSource(
    "ttmr-glove-tags",
    "https://zenodo.org/record/7107130/files/dataset.tar.gz",
    members=("dataset/ecals_annotation/glove_tag_embs.pt",),
)


@dataclass(frozen=True, slots=True)
class _TtmrModel:
    """One of the published models, in the authors' terms.

    `text` is the text tower, `representation` what a text was in training; both are "" for the classifier.
    """

    framework: str
    text: str = ""
    representation: str = ""

    @property
    def name(self) -> str:
        return "-".join(["ttmr", self.framework, self.text, self.representation]).rstrip("-")

    @property
    def source(self) -> UrlSource:
        """The model's checkpoint in the archive of all models, which each model fetches whole, once."""
        folder = f"{self.text}_{self.representation}".replace("sentence", "caption") if self.text else "binary_tag"
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
    """Return the path of the checkpoint, fetching it if needed."""
    return weights_folder(source, models) / source.members[0].replace("/", "--")


class Ttmr(TorchEncoder):
    """TTMR's Encoder; the spec's name selects the model."""

    def __init__(self, spec: EncoderSpec, models: Path) -> None:
        from workers.encoders.ttmr.net import build_music_tower, read_checkpoint

        weights = read_checkpoint(checkpoint_file(MODELS[spec.model].source, models))
        super().__init__(spec, build_music_tower(weights))
        self._classes = weights["head.fc_cls.weight"].numpy() if spec.tagger else None

    def embed_windows(self, windows: Windows) -> np.ndarray:
        features = super().embed_windows(windows)
        # The classifier, and only it, was trained on vectors of length 1.
        return features if self._classes is None else normalise_rows(features)

    def tag(self, features: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(-features @ self._classes.T))


class TtmrBertTextTower(TorchTextTower):
    """The TextTower of the BERT models."""

    def __init__(self, spec: EncoderSpec, models: Path) -> None:
        from workers.encoders.ttmr.net import build_projection, read_checkpoint, strip_prefix
        from workers.text.bert import FirstTokenTower, build_bert

        weights = read_checkpoint(checkpoint_file(MODELS[spec.model].source, models))
        bert = build_bert(strip_prefix(weights, "text_encoder."), HEADS)
        net = FirstTokenTower(bert, build_projection(strip_prefix(weights, "text_projector.")))
        super().__init__(net, weights_folder(BERT_TOKENIZER, models) / "tokenizer.json", MAX_TOKENS, spec.head.dim)


class TtmrGloveTextTower:
    """The TextTower of the GloVe models: it reads tags joined with commas, but no sentences."""

    def __init__(self, spec: EncoderSpec, models: Path) -> None:
        from workers.encoders.ttmr.net import build_projection, read_checkpoint, strip_prefix
        from workers.text.glove_tags import GloveTags

        weights = read_checkpoint(checkpoint_file(MODELS[spec.model].source, models))
        self._projection = build_projection(strip_prefix(weights, "text_projector."))
        self._tags = GloveTags(checkpoint_file(GLOVE, models))
        self._dim = spec.head.dim

    def embed_text(self, texts: list[str]) -> np.ndarray:
        import torch

        rows = [np.zeros((0, self._dim), np.float32)]
        with torch.inference_mode():
            for text in texts:
                vector = torch.from_numpy(self._tags.vector(text))[None]
                rows.append(normalise_rows(self._projection(vector).numpy()))
        return np.concatenate(rows)


_REPRESENTATIONS = ("tag", "sentence", "stochastic")
MODELS = {
    model.name: model
    for model in (
        *(_TtmrModel("contrastive", "bert", representation) for representation in _REPRESENTATIONS),
        *(_TtmrModel("triplet", "bert", representation) for representation in _REPRESENTATIONS),
        *(_TtmrModel("triplet", "glove", representation) for representation in _REPRESENTATIONS),
        _TtmrModel("classification"),
    )
}


def _registration(model: _TtmrModel) -> EncoderRegistration:
    load_text = {"bert": TtmrBertTextTower, "glove": TtmrGloveTextTower}.get(model.text)
    weights = (model.source, model.text_source) if model.text_source else (model.source,)
    return EncoderRegistration(model.spec, Ttmr, load_text, weights, realtime_factor=8, on_gpu=True)


REGISTRATIONS = tuple(_registration(model) for model in MODELS.values())
