"""MAEST around the library's net: its spectrogram, then the mean of the net's two tokens."""

import torch
from torch import nn
from transformers import ASTModel

from workers.encoders.base.inference import in_float32
from workers.encoders.base.mel_filters import slaney_filters
from workers.encoders.musicnn.log_mel import BANDS, FRAME, HOP, SAMPLE_RATE

# Mean and standard deviation of log10(1 + 10^4 mel power) over the Discogs recordings that it was trained on:
# palonso/MAEST, feature_extraction_maest.py, which divides by twice the deviation.
_MEAN, _DEVIATION = 2.06755686098554, 1.268292820667291


class MaestMel(nn.Module):
    """Audio [b, samples] -> scaled mel frames [b, 1 + samples / HOP, BANDS].

    Frame i is centred on sample i * HOP; outside the audio are zeros.
    """

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("window", torch.hann_window(FRAME))
        self.register_buffer("filters", torch.from_numpy(slaney_filters(SAMPLE_RATE, FRAME, BANDS)).float())

    @in_float32
    def forward(self, audio: torch.Tensor) -> torch.Tensor:
        frames = nn.functional.pad(audio, (FRAME // 2, FRAME // 2)).unfold(1, FRAME, HOP)
        power = torch.view_as_real(torch.fft.rfft(frames * self.window)).square().sum(3)
        return (torch.log10(1 + 1e4 * (power @ self.filters.T)) - _MEAN) / (2 * _DEVIATION)


class MaestNet(nn.Module):
    """Windows [b, samples] -> features [b, dim]."""

    def __init__(self, net: ASTModel) -> None:
        super().__init__()
        self.mel, self._net = MaestMel(), net

    def forward(self, audio: torch.Tensor) -> torch.Tensor:
        return self._net(self.mel(audio)).pooler_output
