"""The networks of a joint space: audio tower, text projection and the losses' parameters.

joint = Joint(config, shapes); audio, text = joint(inputs, texts)
Source: S. Doh et al., "Toward Universal Text-to-Music Retrieval" (ICASSP 2023), except for the tower on features.
"""

import math
from dataclasses import dataclass, field, replace

import torch
from torch import nn
from torch.nn import functional

from schemas.training import TrainingConfig
from workers.encoders.ttmr.net import MusicShape, MusicTower, Projection, Weights, infer_shape, strip_prefix

_MIN_DEVIATION = 1e-3  # of a feature, so that constant features are not divided by 0


@dataclass(frozen=True, slots=True)
class Shapes:
    """Sizes of a joint net's inputs.

    `features` and `text` are the dimensions of a feature vector (unused for audio) and of a text vector, `tags` the
    number of tags in the vocabulary.
    """

    features: int
    text: int
    tags: int
    music: MusicShape = field(default_factory=MusicShape)


class FeatureTower(nn.Module):
    """Pooled features of a frozen encoder [B, features] -> [B, dim], not normalised.

    Standardises by the training split, widens, applies one residual block, and projects.
    """

    mean: torch.Tensor
    deviation: torch.Tensor

    def __init__(self, features: int, hidden: int, dim: int, dropout: float) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("deviation", torch.ones(features))
        self.widen = nn.Sequential(nn.Dropout(dropout), nn.Linear(features, hidden), nn.GELU())
        self.block = nn.Sequential(
            *(nn.LayerNorm(hidden), nn.Linear(hidden, hidden), nn.GELU(), nn.Dropout(dropout)),
            nn.Linear(hidden, hidden),
        )
        self.projection = Projection(hidden, dim)

    def standardise_by(self, features: torch.Tensor) -> None:
        """Set mean and deviation to those of the training split's features [N, features]."""
        self.mean.copy_(features.mean(0))
        self.deviation.copy_(features.std(0, correction=0).clamp(min=_MIN_DEVIATION))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        x = self.widen((features - self.mean) / self.deviation)
        return self.projection(x + self.block(x))


class Centred(nn.Module):
    """Text vectors [N, dim] -> the same, minus the mean of the training texts."""

    mean: torch.Tensor

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(dim))

    def forward(self, texts: torch.Tensor) -> torch.Tensor:
        return texts - self.mean


class Joint(nn.Module):
    """Inputs and texts -> unit vectors of one space.

    `reader` is the text tower if training changes it too, else None.
    """

    def __init__(self, config: TrainingConfig, shapes: Shapes, reader: nn.Module | None = None) -> None:
        super().__init__()
        self.dim = joint_dim(config, shapes)
        if config.tower == "audio":
            self.audio: nn.Module = MusicTower(replace(shapes.music, joint=self.dim))
        else:
            self.audio = FeatureTower(shapes.features, config.hidden, self.dim, config.dropout)
        self.reader = reader
        self.text = self.centroids = self.log_scale = None
        if config.framework == "classification":
            self.centroids = nn.Parameter(nn.Linear(config.dim, shapes.tags, bias=False).weight.detach())
        elif config.text_projection == "none":
            self.text = Centred(shapes.text)
        else:
            self.text = Projection(shapes.text, config.dim)
        if config.framework == "contrastive":
            self.log_scale = nn.Parameter(torch.tensor(-math.log(config.temperature)))

    def forward(
        self, inputs: torch.Tensor, texts: torch.Tensor | list[str] | None
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Embed inputs [B, ...] and texts as unit vectors [B, dim].

        `texts` are texts, vectors [B, text] or None, for which None is returned.
        """
        audio = functional.normalize(self.audio(inputs))
        return audio, None if texts is None else self.embed(texts)

    def embed(self, texts: torch.Tensor | list[str]) -> torch.Tensor:
        """Embed texts as unit vectors [B, dim].

        `texts` are texts if the net has a reader, else vectors [B, text].
        """
        vectors = self.reader(texts) if self.reader is not None else texts
        return functional.normalize(self.text(vectors))


def joint_dim(config: TrainingConfig, shapes: Shapes) -> int:
    """Return the dimension of the space: that of text vectors if they are not projected."""
    return shapes.text if config.text_projection == "none" else config.dim


def build_joint(config: TrainingConfig, weights: Weights, reader: nn.Module | None = None) -> Joint:
    """Build the net with these weights, in eval mode.

    Raises RuntimeError if a name or a shape does not fit.
    """
    features = len(weights["audio.mean"]) if config.tower == "features" else 0
    text = weights.get("text.mean", weights.get("text.0.weight", ()))
    music = infer_shape(strip_prefix(weights, "audio.")) if config.tower == "audio" else MusicShape()
    shapes = Shapes(features, len(text), tags=len(weights.get("centroids", ())), music=music)
    joint = Joint(config, shapes, reader)
    joint.load_state_dict(weights)
    return joint.eval()
