"""What transformers' audio encoders share: something that prepares audio, a net of layers, and a mean over time.

net = PooledStates(front_of(SOURCE, 24_000, models), pretrained(HubertModel, SOURCE, models), all_states=True)
"""

import json
from pathlib import Path

import torch
from torch import nn

from schemas.errors import UserError
from workers.encoders.base.inference import in_float32
from workers.weights.cache import HubSource, weights_folder

PREPROCESSOR = "preprocessor_config.json"

_EPSILON = 1e-7  # Wav2Vec2FeatureExtractor's


class PooledStates(nn.Module):
    """Audio [B, samples] -> [B, dim]: the mean over time of the net's last state, or of the mean of all its states.

    The states are what the first layer is given and what each layer says; the last is what the whole net says. Where
    the net ends in a norm, transformers 5 lists the last state before it, transformers 4, with which these models were
    published, after it: here it is after it.
    """

    def __init__(self, front: nn.Module, net: nn.Module, *, all_states: bool = False) -> None:
        super().__init__()
        self.front = front
        self.net = net
        self.all_states = all_states

    def forward(self, audio: torch.Tensor) -> torch.Tensor:
        heard = self.net(self.front(audio), output_hidden_states=self.all_states)
        states = heard.hidden_states[:-1] if self.all_states else ()
        return torch.stack([state.mean(1) for state in (*states, heard.last_hidden_state)]).mean(0)


class Level(nn.Module):
    """Each row at mean 0 and variance 1 [B, samples]; silence stays 0."""

    @in_float32
    def forward(self, audio: torch.Tensor) -> torch.Tensor:
        variance, mean = torch.var_mean(audio, 1, correction=0, keepdim=True)
        return (audio - mean) / torch.sqrt(variance + _EPSILON)


def front_of(source: HubSource, sample_rate: int, models: Path) -> nn.Module:
    """Level where the file beside the weights asks for it; UserError where it asks for another sample rate."""
    settings = json.loads((weights_folder(source, models) / PREPROCESSOR).read_text())
    if settings["sampling_rate"] != sample_rate:
        raise UserError(f"{source.name} hears {settings['sampling_rate']} Hz: this tonelake computes {sample_rate}")
    return Level() if settings["do_normalize"] else nn.Identity()
