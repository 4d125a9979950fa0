"""MULE in its own environment, against direct calls of the package and a spectrogram by hand."""

import io

import numpy as np
import pytest
from scipy.signal import get_window

from tests.conformance.environments import run_in_environment
from tests.conformance.golden import signal
from tests.conformance.small_mule import N_FFT, build, mel_filters
from workers.encoders.isolated.mule import PACKAGES, WEIGHTS
from workers.encoders.registry import ENCODERS

_DIRECT = """
import sys, numpy as np, torch
from mule_torch import MuleModel
net = MuleModel.from_pretrained(model_dir=sys.argv[1])
audio = torch.from_numpy(np.load(sys.argv[2]))
with torch.inference_mode():
    np.savez(sys.stdout.buffer, vectors=net(audio), mel=net.frontend(audio), parts=len(net.embed_timeline(audio)[0]))
"""


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def encoder(models):
    return ENCODERS["mule"].load(build(models), models)


@pytest.fixture(scope="module")
def windows(encoder):
    spec = encoder.spec.backbone.windows
    noise = np.random.default_rng(3).normal(0, 0.1, spec.window)
    return np.stack([signal(spec.window, spec.sample_rate), noise]).astype(np.float32)


@pytest.fixture(scope="module")
def direct(windows, models):
    """The package's output for the audio as the original reads it: at half of full scale."""
    np.save(models / "audio.npy", windows / 2)
    return np.load(io.BytesIO(run_in_environment(PACKAGES, _DIRECT, models / WEIGHTS.folder, models / "audio.npy")))


def test_a_window_is_one_slice_of_the_package(encoder, windows, direct):
    assert direct["parts"] == 1
    assert direct["mel"].shape == (2, 96, 300)
    np.testing.assert_allclose(encoder.embed_windows(windows), direct["vectors"], rtol=1e-4, atol=1e-5)


def test_the_spectrogram_by_hand(windows, direct):
    padded = np.pad(windows[0].astype(float) / 2, N_FFT // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, N_FFT)[::160]
    hann = np.pad(get_window("hann", 400), (N_FFT - 400) // 2)
    power = np.abs(np.fft.rfft(frames * hann)) ** 2
    mel = np.log10(1 + 1e4 * power @ mel_filters().T.astype(float))
    np.testing.assert_allclose(direct["mel"][0], mel.T, atol=2e-3)
