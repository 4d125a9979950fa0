"""Winograd's convolution against the plain one."""

import pytest
import torch

from workers.encoders.musicnn.winograd import COLUMNS, MaxOverBands, TemporalMaxOverBands, split_bands


@pytest.mark.parametrize(("bands", "height", "taps"), [(96, 38, 7), (96, 67, 7), (64, 1, 3), (64, 64, 1), (72, 9, 5)])
def test_max_over_bands(bands, height, taps):
    torch.manual_seed(0)
    spectrogram = torch.randn(bands, COLUMNS + taps - 1)
    kernels = torch.randn(5, height, taps)
    plain = torch.nn.functional.conv2d(spectrogram[None, None].double(), kernels[:, None].double())[0].amax(1)
    fast = MaxOverBands(kernels, bands)(split_bands(spectrogram))
    torch.testing.assert_close(fast.double(), plain, atol=2e-6 * float(plain.abs().max()), rtol=0)


def test_temporal_max_over_bands():
    torch.manual_seed(0)
    spectrogram, longest, short = torch.randn(10, COLUMNS + 15), torch.randn(3, 16), torch.randn(2, 4)
    maxima = TemporalMaxOverBands([longest, short])(spectrogram)
    centred = spectrogram[:, 6 : 6 + COLUMNS + 3]  # 'same' puts 7 zeros before 16 taps, and 1 before 4
    for rows, bands, kernel in ((maxima[:3], spectrogram, longest), (maxima[3:], centred, short)):
        plain = torch.nn.functional.conv1d(bands[:, None], kernel[:, None]).amax(0)
        torch.testing.assert_close(rows, plain, atol=1e-5, rtol=0)


def test_a_second_call_forgets_the_first():
    kernels, spectrogram = torch.ones(2, 8, 3), torch.rand(64, COLUMNS + 2)
    layer = MaxOverBands(kernels, 64)
    first = layer(split_bands(spectrogram))
    layer(split_bands(spectrogram * 100))
    assert torch.equal(layer(split_bands(spectrogram)), first)
