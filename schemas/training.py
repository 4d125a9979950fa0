"""A training as data: its configuration, and the record of the trained model, model.json."""

import json
import math
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from schemas.errors import UserError
from schemas.names import did_you_mean

FRAMEWORKS = ("classification", "triplet", "contrastive")
TEXTS = ("glove", "bert")
REPRESENTATIONS = ("tag", "sentence", "stochastic")
TOWERS = ("features", "audio")
PROJECTIONS = ("linear", "none")

MODEL_FILE, WEIGHTS_FILE, PLOT_FILE = "model.json", "model.safetensors", "training.png"

MAX_SEED = 2**63 - 1  # torch takes no larger seed

_CHOICES = {
    "framework": FRAMEWORKS,
    "text": TEXTS,
    "representation": REPRESENTATIONS,
    "tower": TOWERS,
    "text_projection": PROJECTIONS,
}
_DEFAULT_LEARNING_RATES = {
    ("audio", "classification"): 1e-3,
    ("audio", "triplet"): 5e-5,
    ("audio", "contrastive"): 5e-5,
}


@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """The whole configuration of a training: equal configurations on equal data give equal weights.

    Source of the defaults: the released code of S. Doh et al., "Toward Universal Text-to-Music Retrieval" (2023), as
    far as they fit a light head too: joint size, margin, temperature, schedule, patience.

    * `batch` is the batch of all workers together.
    * `learning_rate` 0 means the default of the tower and framework.
    * `encoder` computes the features that a tower "features" reads.
    * `text_projection` "none" leaves texts in the text tower's space, minus their mean.
    * `own_sentences`: a clip's own sentences, if it has some, replace the list of its tags, and half of its stochastic
      texts.
    * `all_words`: clips that the manifest marks `held_out` train too. Then no words are left that training never saw.
    * `synonyms` lets each tag of a stochastic text appear under another of its names.
    * `share`, in files `conse_weight`, is the weight of the encoder's own vectors, which are sums of the texts of its
      tags; 0 leaves them out.
    * `text_pool`: with a frozen BERT, so many texts are drawn once for each clip, and each epoch uses one of them. A
      BERT that is trained reads new texts in each epoch.
    """

    framework: str = "contrastive"
    text: str = "bert"
    representation: str = "stochastic"
    tower: str = "features"
    encoder: str = "musicnn"
    seed: int = 0
    finetune_text: bool = False
    text_projection: str = "linear"
    own_sentences: bool = False
    synonyms: bool = False
    all_words: bool = False
    share: float = 0.0
    dim: int = 128
    hidden: int = 512
    dropout: float = 0.3
    batch: int = 64
    learning_rate: float = 0.0
    warmup: int = 10
    epochs: int = 100
    patience: int = 20
    margin: float = 0.4
    temperature: float = 0.2
    text_pool: int = 8

    def __post_init__(self) -> None:
        for name, choices in _CHOICES.items():
            if (value := getattr(self, name)) not in choices:
                hint = did_you_mean(value, choices)
                raise UserError(f"{name} takes {', '.join(choices)}, not {value!r}; {hint}".rstrip("; "))
        if self.finetune_text and (self.text != "bert" or self.framework == "classification"):
            raise UserError("finetune_text works with text bert and the triplet or contrastive framework only")
        if self.framework == "classification" and self.text_projection == "none":
            raise UserError("text_projection none needs a text tower: use the triplet or contrastive framework")
        if self.synonyms and (self.representation != "stochastic" or self.framework == "classification"):
            raise UserError("synonyms needs representation stochastic, in the triplet or contrastive framework")
        if not 0 <= self.share < 1:
            raise UserError(f"conse_weight has to be from 0 to below 1, not {self.share}")
        if self.share and (self.text_projection, self.text, self.tower) != ("none", "bert", "features"):
            raise UserError(
                "conse_weight needs text bert, text_projection none and tower features: one space of texts"
            )
        if not 0 <= self.learning_rate < math.inf:
            raise UserError(f"learning_rate has to be a finite number from 0, not {self.learning_rate}")
        if not 0 <= self.seed <= MAX_SEED:
            raise UserError(f"seed has to be from 0 to {MAX_SEED}, not {self.seed}")
        if min(self.epochs, self.batch, self.dim, self.hidden, self.text_pool) < 1:
            raise UserError("epochs, batch, dim, hidden and text_pool have to be at least 1")

    @property
    def name(self) -> str:
        """The name in tables: framework-text-representation; a classifier reads no texts."""
        if self.framework == "classification":
            return self.framework
        suffix = "-own" if self.own_sentences and self.representation != "tag" else ""
        suffix += "-synonyms" if self.synonyms else ""
        return f"{self.framework}-{self.text}-{self.representation}{suffix}"

    @property
    def effective_learning_rate(self) -> float:
        return self.learning_rate or _DEFAULT_LEARNING_RATES.get((self.tower, self.framework), 1e-3)

    def to_json(self) -> dict[str, Any]:
        """Return the configuration as a JSON object, as in model.json."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class TrainRequest:
    """A request to train on a manifest and to write the model to a folder.

    `workers` are those of Ray Train, each with one core or GPU.
    """

    manifest: str
    config: TrainingConfig
    out: Path
    workers: int = 1

    def __post_init__(self) -> None:
        if self.config.batch % self.workers:
            reason = f"--batch {self.config.batch} cannot be split evenly among {self.workers} workers"
            raise UserError(f"{reason}: use a multiple of {self.workers}")


def encoder_name(folder: str) -> str:
    """Return a trained encoder's name, made from the name of its folder."""
    plain = re.sub(r"[^a-z0-9_.-]+", "-", folder.lower()).strip("-.")
    return f"joint-{plain.removeprefix('joint-') or 'model'}"


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """The record of a trained model, model.json, with the figures of its test split.

    `feature_version` is that of the base encoder's backbone; a tower that reads audio itself has no base, and both
    are "". `vocabulary` are the tags of the training split. `weights_sha256` is the hash of model.safetensors.
    """

    name: str
    cell: TrainingConfig
    dim: int
    weights_sha256: str
    base: str
    feature_version: str
    vocabulary: tuple[str, ...]
    data: dict[str, Any]
    best_epoch: int
    history: list[dict[str, float]]
    figures: dict[str, dict[str, list[float]]]

    def to_json(self) -> str:
        """Return the text of model.json."""
        return json.dumps(asdict(self), indent=1, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> "TrainedModel":
        """Parse model.json. Raises KeyError, TypeError or ValueError if the text is not of such a file."""
        record = json.loads(text)
        record["cell"], record["vocabulary"] = TrainingConfig(**record["cell"]), tuple(record["vocabulary"])
        return cls(**record)
