"""The spectrogram against another implementation, and at its limits."""

import numpy as np
import torch

from workers.encoders.base.mel_filters import slaney_filters
from workers.encoders.musicnn.log_mel import BANDS, FRAME, HOP, SAMPLE_RATE, LogMel


def test_one_frame_by_hand():
    audio = np.random.default_rng(0).normal(0, 0.1, FRAME + 3 * HOP)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(FRAME) / FRAME)
    power = np.abs(np.fft.rfft(audio[2 * HOP : 2 * HOP + FRAME] * window)) ** 2
    log_mel = LogMel()(torch.from_numpy(audio.astype(np.float32)))
    assert log_mel.shape == (BANDS, 4)
    np.testing.assert_allclose(
        log_mel[:, 2], np.log10(1 + 1e4 * slaney_filters(SAMPLE_RATE, FRAME, BANDS) @ power), atol=1e-5
    )


def test_silence_and_full_scale_are_finite():
    loud = torch.where(torch.arange(48_128) % 100 < 50, 1.0, -1.0)
    assert torch.count_nonzero(LogMel()(torch.zeros(48_128))) == 0
    log_mel = LogMel()(loud)
    assert log_mel.shape == (BANDS, 187)
    assert torch.isfinite(log_mel).all()
    assert 10 ** float(log_mel.max()) > 65_504  # what float16 cannot hold
