"""CLAP's audio and text halves around the library's nets; the mel runs on the device.

net = ClapAudioNet(load_pretrained(ClapAudioModelWithProjection, source, models), extractor)
"""

import torch
from torch import nn
from transformers import ClapAudioModelWithProjection, ClapFeatureExtractor, ClapTextModelWithProjection

from workers.encoders.base.inference import in_float32

_FLOOR = 1e-10  # of ClapFeatureExtractor, by transformers.audio_utils.spectrogram


class ClapMel(nn.Module):
    """Windows [b, samples] -> decibels [b, 1, frames, bands].

    The result is that of ClapFeatureExtractor for a full window. The Slaney bands are those of models without fusion,
    whatever the extractor's truncation setting is. Like the extractor, it computes in float64: in float32, the quiet
    bands beside a pure tone would hold rounding errors that differ between devices.
    """

    def __init__(self, extractor: ClapFeatureExtractor) -> None:
        super().__init__()
        self._frame, self._hop = extractor.fft_window_size, extractor.hop_length
        self.register_buffer("window", torch.hann_window(self._frame, dtype=torch.float64))
        self.register_buffer("bands", torch.from_numpy(extractor.mel_filters_slaney))

    @in_float32
    def forward(self, audio: torch.Tensor) -> torch.Tensor:
        spectrum = torch.stft(audio.double(), self._frame, self._hop, window=self.window, return_complex=True)
        power = torch.view_as_real(spectrum).square().sum(3)
        mel = power.transpose(1, 2) @ self.bands
        return (10 * mel.clamp(min=_FLOOR).log10()).float()[:, None]


class ClapAudioNet(nn.Module):
    """Windows [b, samples] -> unit vectors in the joint space [b, dim]."""

    def __init__(self, net: ClapAudioModelWithProjection, extractor: ClapFeatureExtractor) -> None:
        super().__init__()
        self._mel, self._net = ClapMel(extractor), net

    def forward(self, audio: torch.Tensor) -> torch.Tensor:
        return nn.functional.normalize(self._net(input_features=self._mel(audio)).audio_embeds)


class ClapTextNet(nn.Module):
    """Tokens [N, T] without padding -> unit vectors in the joint space [N, dim].

    The authors pad to 77 tokens and mask the padding.
    """

    def __init__(self, net: ClapTextModelWithProjection) -> None:
        super().__init__()
        self._net = net

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return nn.functional.normalize(self._net(input_ids=tokens).text_embeds)
