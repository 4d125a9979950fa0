"""Mel filters against another implementation, in the sizes that encoders use."""

import numpy as np
import pytest

from workers.encoders.base.mel_filters import htk_filters, slaney_filters


@pytest.mark.parametrize(
    ("filters", "rate", "frame", "bands"),
    [
        (slaney_filters, 16_000, 512, 96),  # musicnn
        (slaney_filters, 22_050, 1024, 128),  # TTMR++
        (htk_filters, 16_000, 1024, 128),  # TTMR
    ],
)
def test_filters_equal_those_of_transformers(filters, rate, frame, bands):
    audio_utils = pytest.importorskip("transformers.audio_utils")
    slaney = filters is slaney_filters
    expected = audio_utils.mel_filter_bank(
        num_frequency_bins=frame // 2 + 1,
        num_mel_filters=bands,
        min_frequency=0.0,
        max_frequency=rate / 2,
        sampling_rate=rate,
        norm="slaney" if slaney else None,
        mel_scale="slaney" if slaney else "htk",
    )
    np.testing.assert_allclose(filters(rate, frame, bands), expected.T if slaney else expected, atol=1e-9)
