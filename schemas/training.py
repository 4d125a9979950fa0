"""A training as data: which cell of the grid framework x text tower x text representation, and its numbers."""

import json
import math
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from schemas.errors import UserError

FRAMEWORKS = ("classification", "triplet", "contrastive")
TEXTS = ("glove", "bert")
REPRESENTATIONS = ("tag", "sentence", "stochastic")
TOWERS = ("features", "audio")
PROJECTIONS = ("linear", "none")

MODEL_FILE, WEIGHTS_FILE, PLOT_FILE = "model.json", "model.safetensors", "training.png"

MOST_SEED = 2**63 - 1  # torch takes no larger one

_CHOICES = {
    "framework": FRAMEWORKS,
    "text": TEXTS,
    "representation": REPRESENTATIONS,
    "tower": TOWERS,
    "text_projection": PROJECTIONS,
}
_RATES = {("audio", "classification"): 1e-3, ("audio", "triplet"): 5e-5, ("audio", "contrastive"): 5e-5}


@dataclass(frozen=True, slots=True)
class Cell:
    """One training, whole: two of equal cells on equal data give equal weights.

    Source of the defaults: the released code of S. Doh et al., "Toward Universal Text-to-Music Retrieval" (2023),
    where they fit a light head too: joint size, margin, temperature, schedule, patience. `batch` is that of all
    workers together. `learning_rate` 0 is the tower's and framework's own. `encoder` gives the features that a tower
    "features" hears; `text_projection` "none" leaves texts in the text tower's space, without their mean.
    `own_sentences` takes a clip's sentences, where it has some, for its tags in a row, or for half of the stochastic
    texts; with `synonyms` each tag of a stochastic text may stand under another of its names. `share` is that of the
    encoder's own vectors, sums of its tags' texts, in the space of those texts. A frozen BERT reads `text_pool` texts
    drawn for each clip once, and each epoch one of them; a trained one reads new texts.
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
            if getattr(self, name) not in choices:
                asked = name.replace("_", "-")
                raise UserError(f"--{asked} takes {', '.join(choices)}, not {getattr(self, name)!r}")
        if self.finetune_text and (self.text != "bert" or self.framework == "classification"):
            raise UserError("--finetune-text trains BERT beside the triplet or contrastive framework only")
        if self.framework == "classification" and self.text_projection == "none":
            raise UserError("--text-projection none needs a text tower: use the triplet or contrastive framework")
        if self.synonyms and (self.representation != "stochastic" or self.framework == "classification"):
            raise UserError("--synonyms needs --representation stochastic, in the triplet or contrastive framework")
        if not 0 <= self.share < 1:
            raise UserError(f"--share lies between 0 and 1, not at {self.share}")
        if self.share and (self.text_projection, self.text, self.tower) != ("none", "bert", "features"):
            raise UserError(
                "--share needs --text bert, --text-projection none and --tower features: one space of texts"
            )
        if not 0 <= self.learning_rate < math.inf:
            raise UserError(f"--learning-rate is a number from 0, not {self.learning_rate}")
        if not 0 <= self.seed <= MOST_SEED:
            raise UserError(f"--seed lies between 0 and {MOST_SEED}, not at {self.seed}")
        if min(self.epochs, self.batch, self.dim, self.hidden, self.text_pool) < 1:
            raise UserError("--epochs and the other sizes of a training count from 1")

    @property
    def name(self) -> str:
        """Of the cell in tables: framework-text-representation; a classifier reads no texts."""
        if self.framework == "classification":
            return self.framework
        own = "-own" if self.own_sentences and self.representation != "tag" else ""
        return f"{self.framework}-{self.text}-{self.representation}{own}{'-synonyms' if self.synonyms else ''}"

    @property
    def rate(self) -> float:
        return self.learning_rate or _RATES.get((self.tower, self.framework), 1e-3)

    def to_json(self) -> dict[str, Any]:
        """For model.json."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class TrainRequest:
    """A cell, the manifest to train it on, the folder for the model; `workers` of Ray Train: a core or a GPU each."""

    manifest: str
    cell: Cell
    out: Path
    workers: int = 1

    def __post_init__(self) -> None:
        if self.cell.batch % self.workers:
            raise UserError(
                f"--batch {self.cell.batch} is shared out evenly: take a multiple of --workers {self.workers}"
            )


def encoder_name(folder: str) -> str:
    """What an encoder in a folder of that name is called in tables."""
    plain = re.sub(r"[^a-z0-9_.-]+", "-", folder.lower()).strip("-.")
    return f"joint-{plain.removeprefix('joint-') or 'model'}"


@dataclass(frozen=True, slots=True)
class Trained:
    """What model.json tells of a trained model, the figures of its test split included.

    `feature_version` is of the base encoder's backbone; a tower that hears audio itself has no base and "".
    `vocabulary` are the tags of the training split. `weights_sha256` is of model.safetensors.
    """

    name: str
    cell: Cell
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
        """What `from_json` reads."""
        return json.dumps(asdict(self), indent=1, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> "Trained":
        """KeyError, TypeError or ValueError where it is another file's text."""
        told = json.loads(text)
        told["cell"], told["vocabulary"] = Cell(**told["cell"]), tuple(told["vocabulary"])
        return cls(**told)
