"""Winograd's convolution against the plain one."""

import pytest
import torch

from workers.encoders.musicnn.winograd import COLUMNS, BandMax, TemporalMax, band_parts


@pytest.mark.parametrize(("bands", "height", "taps"), [(96, 38, 7), (96, 67, 7), (64, 1, 3), (64, 64, 1), (72, 9, 5)])
def test_band_max(bands, height, taps):
    torch.manual_seed(0)
    spectrogram = torch.randn(bands, COLUMNS + taps - 1)
    kernels = torch.randn(5, height, taps)
    plain = torch.nn.functional.conv2d(spectrogram[None, None].double(), kernels[:, None].double())[0].amax(1)
    fast = BandMax(kernels, bands)(band_parts(spectrogram))
    torch.testing.assert_close(fast.double(), plain, atol=2e-6 * float(plain.abs().max()), rtol=0)


def test_temporal_max():
    torch.manual_seed(0)
    spectrogram, longest, short = torch.randn(10, COLUMNS + 15), torch.randn(3, 16), torch.randn(2, 4)
    found = TemporalMax([longest, short])(spectrogram)
    centred = spectrogram[:, 6 : 6 + COLUMNS + 3]  # 'same' puts 7 zeros before 16 taps, and 1 before 4
    for rows, bands, kernel in ((found[:3], spectrogram, longest), (found[3:], centred, short)):
        plain = torch.nn.functional.conv1d(bands[:, None], kernel[:, None]).amax(0)
        torch.testing.assert_close(rows, plain, atol=1e-5, rtol=0)


def test_a_second_call_forgets_the_first():
    kernels, spectrogram = torch.ones(2, 8, 3), torch.rand(64, COLUMNS + 2)
    layer = BandMax(kernels, 64)
    first = layer(band_parts(spectrogram))
    layer(band_parts(spectrogram * 100))
    assert torch.equal(layer(band_parts(spectrogram)), first)
