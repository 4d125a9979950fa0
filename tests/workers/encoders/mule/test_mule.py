"""MULE's network against the recorded outputs of the package mule-torch, and a spectrogram by hand."""

import numpy as np
import pytest
import torch
from scipy.signal import get_window

from schemas.errors import UserError
from tests.conformance.packages import MULE_FRAMES, read_record, sample_windows
from tests.conformance.small_mule import CONFIG, N_FFT, build, build_state, mel_filters
from workers.encoders.mule.net import LogMel, build_net
from workers.encoders.registry import ENCODERS

PACKAGE = read_record("mule")


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    models = tmp_path_factory.mktemp("models")
    return ENCODERS["mule"].load(build(models), models)


@pytest.fixture(scope="module")
def windows(encoder):
    return sample_windows(encoder.spec)


@pytest.fixture
def state():
    return {name: torch.from_numpy(array) for name, array in build_state().items()}


def mel_of(windows):
    """Our log-mel of audio as the original reads it, at half of full scale."""
    return LogMel({"mel_fb": torch.from_numpy(mel_filters())})(torch.from_numpy(windows / 2))[:, 0].numpy()


def test_vectors_are_the_packages(encoder, windows):
    np.testing.assert_allclose(encoder.embed_windows(windows), PACKAGE["vectors"], rtol=1e-4, atol=1e-5)
    assert PACKAGE["slices"] == 1, "a window is one slice of the package"


def test_the_spectrogram_is_the_packages(windows):
    """The package's sines are off by up to 3e-4; a nearly silent window is not raised to full level."""
    mel = mel_of(windows)
    assert mel.shape == (3, 96, 300)
    np.testing.assert_allclose(mel[..., MULE_FRAMES], PACKAGE["mel"], atol=1e-3)
    assert np.abs(mel[2]).std() < 0.5 < np.abs(mel[0]).std()


def test_the_spectrogram_by_hand(windows):
    padded = np.pad(windows[0].astype(float) / 2, N_FFT // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, N_FFT)[::160]
    hann = np.pad(get_window("hann", 400), (N_FFT - 400) // 2)
    power = np.abs(np.fft.rfft(frames * hann)) ** 2
    mel = np.log10(1 + 1e4 * power @ mel_filters().T.astype(float)).T
    np.testing.assert_allclose(mel_of(windows)[0], (mel - mel.mean()) / mel.std(), atol=1e-4)


def test_saved_sines_are_ignored(state, windows):
    audio = torch.from_numpy(windows[:1] / 2)
    with torch.inference_mode():
        vector = build_net(state)(audio)
        sines = {f"frontend.stft.fwd_{part}": torch.zeros(N_FFT // 2 + 1, 1, N_FFT) for part in ("real", "imag")}
        torch.testing.assert_close(build_net(state | sines)(audio), vector)


@pytest.mark.parametrize(
    "name",
    ["backbone.slow_stem.convs.1.gain", "backbone.fusions.2.conv2.bias", "backbone.fast_stages.3.blocks.2.skip_gain"],
)
def test_a_missing_weight_is_refused(state, name):
    del state[name]
    with pytest.raises((KeyError, RuntimeError), match=name[-12:]):
        build_net(state)


def test_a_weight_that_is_left_over_is_refused(state):
    with pytest.raises(RuntimeError, match="tail"):
        build_net(state | {"backbone.tail.weight": torch.zeros(1)})


@pytest.mark.parametrize(
    "setting", [{"alpha": 0.3}, {"slow_stem_strides": [[1, 1]] * 4}, {"scaled_activation": "relu"}]
)
def test_another_network_is_refused(setting, tmp_path):
    spec = build(tmp_path, CONFIG | setting)
    with pytest.raises(UserError, match=f"config.json of MULE says {next(iter(setting))}"):
        ENCODERS["mule"].load(spec, tmp_path)
