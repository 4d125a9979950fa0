"""Whisper's encoder and its spectrogram against direct calls of transformers."""

import numpy as np
import pytest
import torch
from transformers import WhisperFeatureExtractor, WhisperModel

from tests.conformance.golden import signal
from tests.conformance.small_ssl import DIM, MEL_BANDS, SMALL
from workers.encoders.pretrained_audio.whisper import SAMPLE_RATE, SECONDS, SPEC, WHISPER
from workers.encoders.pretrained_audio.whisper_mel import WhisperMel
from workers.encoders.registry import ENCODERS

SIZE = SECONDS * SAMPLE_RATE


@pytest.fixture(scope="module")
def windows():
    """Three notes, noise a thousand times quieter, and silence: their floors are decades apart [3, 480000]."""
    noise = np.random.default_rng(0).normal(0, 1e-4, SIZE)
    return np.stack([signal(SIZE, SAMPLE_RATE), noise, np.zeros(SIZE)]).astype(np.float32)


@pytest.fixture(scope="module")
def expected_mel(windows):
    """The library's spectrogram of each window, computed separately."""
    extractor = WhisperFeatureExtractor(feature_size=MEL_BANDS)
    return np.concatenate([extractor(row, sampling_rate=SAMPLE_RATE)["input_features"] for row in windows])


def test_the_spectrogram_equals_the_extractors(windows, expected_mel):
    actual = WhisperMel(SAMPLE_RATE, 400, 160, MEL_BANDS)(torch.from_numpy(windows))
    assert actual.shape == (3, MEL_BANDS, 3000)
    np.testing.assert_allclose(actual, expected_mel, atol=1e-4)


def test_equals_a_direct_call(windows, expected_mel, tmp_path):
    spec = SMALL["whisper"](tmp_path)
    actual = ENCODERS["whisper"].load(spec, tmp_path).embed_windows(windows)
    net = WhisperModel.from_pretrained(tmp_path / WHISPER.folder).eval()
    with torch.inference_mode():
        states = net.encoder(torch.from_numpy(expected_mel)).last_hidden_state
    assert states.shape == (3, 1500, DIM)
    np.testing.assert_allclose(actual, states.mean(1), atol=1e-4)


def test_a_louder_neighbour_does_not_matter(windows):
    """In one batch, not one by one as on a CPU: each window has its own floor."""
    mel = WhisperMel(SAMPLE_RATE, 400, 160, MEL_BANDS)
    both, alone = mel(torch.from_numpy(windows)), mel(torch.from_numpy(windows[1:2]))
    torch.testing.assert_close(both[1:2], alone, rtol=0, atol=1e-6)
    floored_by_the_loudest = both[1].min() < both[0].min() - 0.5
    assert floored_by_the_loudest


def test_the_published_sizes():
    """whisper-base of the paper's table 1: width 512, and 30 s at most."""
    assert SPEC.backbone.dim == 512
    assert SPEC.backbone.windows.window == SPEC.backbone.windows.hop == SIZE
