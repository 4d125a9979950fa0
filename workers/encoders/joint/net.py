"""The networks of a joint space: an audio tower, the texts' projection, and what the losses learn besides.

joint = Joint(cell, shapes); audio, text = joint(inputs, texts)
Source: S. Doh et al., "Toward Universal Text-to-Music Retrieval" (ICASSP 2023), but for the tower on features.
"""

import math
from dataclasses import dataclass, field, replace

import torch
from torch import nn
from torch.nn import functional

from schemas.training import Cell
from workers.encoders.ttmr.net import MusicShape, MusicTower, Projection, Weights, part, shape_of

_LEAST_DEVIATION = 1e-3  # of a feature: those that never move would be divided by nothing


@dataclass(frozen=True, slots=True)
class Shapes:
    """Numbers of an input (of features; of audio any), of a text's vector, and tags of the vocabulary."""

    features: int
    text: int
    tags: int
    music: MusicShape = field(default_factory=MusicShape)


class FeatureTower(nn.Module):
    """Pooled features of a frozen encoder [B, features] -> [B, dim], not normalised.

    Standardised by the training split, widened, one residual block, projected.
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
        """Takes mean and deviation from the training split [N, features]."""
        self.mean.copy_(features.mean(0))
        self.deviation.copy_(features.std(0, correction=0).clamp(min=_LEAST_DEVIATION))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        x = self.widen((features - self.mean) / self.deviation)
        return self.projection(x + self.block(x))


class Centred(nn.Module):
    """Texts left in their tower's space [N, dim], without the mean of the training texts."""

    mean: torch.Tensor

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(dim))

    def forward(self, texts: torch.Tensor) -> torch.Tensor:
        return texts - self.mean


class Joint(nn.Module):
    """Inputs and texts -> unit vectors of one space. `reader` is the text tower where it is trained too."""

    def __init__(self, cell: Cell, shapes: Shapes, reader: nn.Module | None = None) -> None:
        super().__init__()
        self.dim = joint_dim(cell, shapes)
        if cell.tower == "audio":
            self.audio: nn.Module = MusicTower(replace(shapes.music, joint=self.dim))
        else:
            self.audio = FeatureTower(shapes.features, cell.hidden, self.dim, cell.dropout)
        self.reader = reader
        self.text = self.centroids = self.log_scale = None
        if cell.framework == "classification":
            self.centroids = nn.Parameter(nn.Linear(cell.dim, shapes.tags, bias=False).weight.detach())
        else:
            self.text = Centred(shapes.text) if cell.text_projection == "none" else Projection(shapes.text, cell.dim)
        if cell.framework == "contrastive":
            self.log_scale = nn.Parameter(torch.tensor(-math.log(cell.temperature)))

    def forward(
        self, inputs: torch.Tensor, texts: torch.Tensor | list[str] | None
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Inputs [B, ...] and texts, or their vectors [B, text] -> unit vectors [B, dim] of both; of no texts none."""
        audio = functional.normalize(self.audio(inputs))
        return audio, None if texts is None else self.embed(texts)

    def embed(self, texts: torch.Tensor | list[str]) -> torch.Tensor:
        """Texts, or their vectors where no reader is trained -> unit vectors [B, dim]."""
        vectors = self.reader(texts) if self.reader is not None else texts
        return functional.normalize(self.text(vectors))


def joint_dim(cell: Cell, shapes: Shapes) -> int:
    """Of the space: the text tower's own where texts are not projected."""
    return shapes.text if cell.text_projection == "none" else cell.dim


def joint_of(cell: Cell, weights: Weights, reader: nn.Module | None = None) -> Joint:
    """The net with these weights, in eval mode; RuntimeError where a name or a shape does not fit."""
    features = len(weights["audio.mean"]) if cell.tower == "features" else 0
    text = weights.get("text.mean", weights.get("text.0.weight", ()))
    music = shape_of(part(weights, "audio.")) if cell.tower == "audio" else MusicShape()
    joint = Joint(cell, Shapes(features, len(text), len(weights.get("centroids", ())), music), reader)
    joint.load_state_dict(weights)
    return joint.eval()
