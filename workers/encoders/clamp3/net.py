"""CLaMP 3's two towers as plain modules: MERT and a transformer over its vectors, XLM-RoBERTa, and two projections.

Source: S. Wu et al., CLaMP 3 (2025), and its code, sanderwood/clamp3 at 02be2e3f: preprocessing/audio/extract_mert.py,
code/extract_clamp3.py and code/utils.py.
"""

from pathlib import Path

import torch
from torch import nn
from transformers import HubertModel

from workers.encoders.base.pooled_states import Level, PooledStates
from workers.encoders.ttmr.net import Weights, part
from workers.text.bert import Bert, bert_of

_HEAD = 64  # numbers that one attention head looks at
_TEXT_EPSILON, _TEXT_FIRST_PLACE = 1e-5, 2  # RoBERTa's


class AudioTower(nn.Module):
    """Audio [B, samples] -> the joint space [B, joint], not normalised.

    Each window is levelled as a whole, then MERT hears every five seconds by themselves.
    """

    def __init__(self, mert: HubertModel, mert_window: int, bert: Bert, projection: nn.Linear) -> None:
        super().__init__()
        self.level, self.mert = Level(), PooledStates(nn.Identity(), mert, all_states=True)
        self.mert_window, self.bert, self.projection = mert_window, bert, projection

    def forward(self, audio: torch.Tensor) -> torch.Tensor:
        parts = self.level(audio).unfold(1, self.mert_window, self.mert_window)
        rows = self.mert(parts.flatten(0, 1)).unflatten(0, parts.shape[:2])
        rows = nn.functional.pad(rows, (0, 0, 1, 1))  # a row of zeros at either end
        hidden = self.bert.norm(rows + self.bert.places.weight[: rows.shape[1]])
        for layer in self.bert.layers:
            hidden = layer(hidden)
        return self.projection(hidden.mean(1))


class TextTower(nn.Module):
    """Tokens [B, T], none of them padding -> unit vectors [B, joint]."""

    def __init__(self, bert: Bert, projection: nn.Linear) -> None:
        super().__init__()
        self.bert, self.projection = bert, projection

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return nn.functional.normalize(self.projection(self.bert(tokens).mean(1)))


def read_checkpoint(file: Path) -> Weights:
    """The weights of {model, epoch, ...}; mapped, so that the towers that are not asked for are not read."""
    return torch.load(file, map_location="cpu", weights_only=True, mmap=True)["model"]


def audio_tower(weights: Weights, mert: HubertModel, mert_window: int) -> AudioTower:
    """The tower of a checkpoint, in eval mode; KeyError or ValueError where its weights do not fit."""
    projection = _linear(part(weights, "audio_proj."))
    bert = bert_of(part(weights, "audio_model."), heads=max(1, projection.in_features // _HEAD))
    return AudioTower(mert, mert_window, bert, projection).eval()


def text_tower(weights: Weights) -> TextTower:
    """As `audio_tower`."""
    projection = _linear(part(weights, "text_proj."))
    heads = max(1, projection.in_features // _HEAD)
    return TextTower(bert_of(part(weights, "text_model."), heads, _TEXT_EPSILON, _TEXT_FIRST_PLACE), projection).eval()


def _linear(weights: Weights) -> nn.Linear:
    after, before = weights["weight"].shape
    net = nn.Linear(before, after)
    net.load_state_dict(weights)
    return net
