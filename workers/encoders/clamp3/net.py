"""CLaMP 3's two towers as plain modules.

Audio: MERT, a transformer over its vectors, a projection. Text: XLM-RoBERTa, a projection.
Source: S. Wu et al., CLaMP 3 (2025), and its code, sanderwood/clamp3 at 02be2e3f: preprocessing/audio/extract_mert.py,
code/extract_clamp3.py and code/utils.py.
"""

from pathlib import Path

import torch
from torch import nn
from transformers import HubertModel

from workers.encoders.base.pooled_states import PooledStates, WaveformNorm
from workers.encoders.ttmr.net import Weights, strip_prefix
from workers.text.bert import Bert, build_bert

_HEAD_DIM = 64
_TEXT_EPSILON, _TEXT_FIRST_POSITION = 1e-5, 2  # RoBERTa's


class AudioTower(nn.Module):
    """Audio [B, samples] -> the joint space [B, joint], not normalised.

    Each window is normalised as a whole. Then MERT embeds each part of `mert_window` samples separately.
    """

    def __init__(self, mert: HubertModel, mert_window: int, bert: Bert, projection: nn.Linear) -> None:
        super().__init__()
        self.waveform_norm, self.mert = WaveformNorm(), PooledStates(nn.Identity(), mert, all_states=True)
        self.mert_window, self.bert, self.projection = mert_window, bert, projection

    def forward(self, audio: torch.Tensor) -> torch.Tensor:
        parts = self.waveform_norm(audio).unfold(1, self.mert_window, self.mert_window)
        rows = self.mert(parts.flatten(0, 1)).unflatten(0, parts.shape[:2])
        rows = nn.functional.pad(rows, (0, 0, 1, 1))  # a row of zeros at either end
        hidden = self.bert.norm(rows + self.bert.places.weight[: rows.shape[1]])
        for layer in self.bert.layers:
            hidden = layer(hidden)
        return self.projection(hidden.mean(1))


class TextTower(nn.Module):
    """Tokens [B, T] without padding -> unit vectors [B, joint]."""

    def __init__(self, bert: Bert, projection: nn.Linear) -> None:
        super().__init__()
        self.bert, self.projection = bert, projection

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return nn.functional.normalize(self.projection(self.bert(tokens).mean(1)))


def read_checkpoint(file: Path) -> Weights:
    """Read the weights of a checkpoint {model, epoch, ...}.

    The file is memory-mapped, so that the weights of an unused tower are not read.
    """
    return torch.load(file, map_location="cpu", weights_only=True, mmap=True)["model"]


def build_audio_tower(weights: Weights, mert: HubertModel, mert_window: int) -> AudioTower:
    """Build the audio tower of a checkpoint, in eval mode.

    Raises KeyError or ValueError if the weights do not fit.
    """
    projection = _build_linear(strip_prefix(weights, "audio_proj."))
    heads = max(1, projection.in_features // _HEAD_DIM)
    return AudioTower(mert, mert_window, build_bert(strip_prefix(weights, "audio_model."), heads), projection).eval()


def build_text_tower(weights: Weights) -> TextTower:
    """Build the text tower of a checkpoint, in eval mode.

    Raises KeyError or ValueError if the weights do not fit.
    """
    projection = _build_linear(strip_prefix(weights, "text_proj."))
    heads = max(1, projection.in_features // _HEAD_DIM)
    bert = build_bert(strip_prefix(weights, "text_model."), heads, _TEXT_EPSILON, _TEXT_FIRST_POSITION)
    return TextTower(bert, projection).eval()


def _build_linear(weights: Weights) -> nn.Linear:
    dim_out, dim_in = weights["weight"].shape
    net = nn.Linear(dim_in, dim_out)
    net.load_state_dict(weights)
    return net
