"""Common parts of transformers' audio encoders: front end, net and mean over time.

net = PooledStates(load_front_end(SOURCE, 24_000, models), load_pretrained(HubertModel, SOURCE, models))
"""

import json
from pathlib import Path

import torch
from torch import nn

from schemas.errors import UserError
from workers.encoders.base.inference import in_float32
from workers.weights.cache import weights_folder
from workers.weights.sources import HubSource

PREPROCESSOR = "preprocessor_config.json"

_EPSILON = 1e-7  # Wav2Vec2FeatureExtractor's


class PooledStates(nn.Module):
    """Audio [B, samples] -> [B, dim].

    Takes the mean over time of the last state, or of the mean of all states. The states are the input of the first
    layer and the output of each layer; the last state is the net's output. If the net ends in a norm, transformers 5
    lists the last state before that norm. transformers 4, with which these models were published, lists it after the
    norm; this class takes it after the norm.
    """

    def __init__(self, front: nn.Module, net: nn.Module, *, all_states: bool = False) -> None:
        super().__init__()
        self.front = front
        self.net = net
        self.all_states = all_states

    def forward(self, audio: torch.Tensor) -> torch.Tensor:
        output = self.net(self.front(audio), output_hidden_states=self.all_states)
        states = output.hidden_states[:-1] if self.all_states else ()
        return torch.stack([state.mean(1) for state in (*states, output.last_hidden_state)]).mean(0)


class WaveformNorm(nn.Module):
    """Audio [B, samples] -> the same, each row with mean 0 and variance 1.

    Silence stays 0.
    """

    @in_float32
    def forward(self, audio: torch.Tensor) -> torch.Tensor:
        variance, mean = torch.var_mean(audio, 1, correction=0, keepdim=True)
        return (audio - mean) / torch.sqrt(variance + _EPSILON)


def load_front_end(source: HubSource, sample_rate: int, models: Path) -> nn.Module:
    """Return WaveformNorm if the preprocessor file beside the weights asks for it, else Identity.

    Raises UserError if that file asks for another sample rate than `sample_rate`.
    """
    settings = json.loads((weights_folder(source, models) / PREPROCESSOR).read_text())
    if settings["sampling_rate"] != sample_rate:
        raise UserError(
            f"{source.name} takes audio at {settings['sampling_rate']} Hz: this tonelake computes {sample_rate} Hz"
        )
    return WaveformNorm() if settings["do_normalize"] else nn.Identity()
