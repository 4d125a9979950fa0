"""OMAR-RQ's network against the recorded outputs of the package omar-rq, and its reader of gin files."""

import numpy as np
import pytest
import torch

from schemas.errors import UserError
from tests.conformance.packages import OMAR_RQ_STEPS, read_record, sample_windows
from tests.conformance.small_omar_rq import CONFIG, DEPTH, DIM, build, build_state
from workers.encoders.omar_rq.encoder import LAYER
from workers.encoders.omar_rq.net import OmarRqSettings, build_net, read_settings
from workers.encoders.registry import ENCODERS

PACKAGE = read_record("omar-rq")
SETTINGS = OmarRqSettings(0, 0.1908563740990311, 4.0, 2.6321480259049848)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    models = tmp_path_factory.mktemp("models")
    return ENCODERS["omar-rq"].load(build(models), models)


@pytest.fixture(scope="module")
def windows(encoder):
    return sample_windows(encoder.spec)


def test_a_window_is_the_mean_of_that_layers_steps(encoder, windows):
    vectors = encoder.embed_windows(windows)
    np.testing.assert_allclose(vectors, PACKAGE["means"][LAYER], rtol=1e-4, atol=5e-5)
    assert not np.allclose(vectors, PACKAGE["means"][LAYER + 1], atol=1e-2)


@pytest.mark.parametrize("layers", [1, DEPTH])
def test_other_layers_are_the_packages(layers, windows):
    with torch.inference_mode():
        means = build_net(build_state(), SETTINGS, layers)(torch.from_numpy(windows))
    np.testing.assert_allclose(means, PACKAGE["means"][layers - 1], rtol=1e-4, atol=5e-5)


def test_states_are_the_packages_at_every_time(windows):
    net = build_net(build_state(), SETTINGS, LAYER + 1)
    states = []
    net.layers.register_forward_hook(lambda _module, _inputs, output: states.append(output))
    with torch.inference_mode():
        net(torch.from_numpy(windows))
    assert states[0].shape == (len(windows), PACKAGE["steps"], DIM)
    assert PACKAGE["rate"] == 25
    np.testing.assert_allclose(states[0][:, OMAR_RQ_STEPS], PACKAGE["states"], rtol=1e-4, atol=5e-5)


def test_a_step_does_not_depend_on_later_ones(windows):
    """The convolution sees half a second ahead; attention sees nothing ahead."""
    net = build_net(build_state(), SETTINGS, 1)
    states = []
    net.layers.register_forward_hook(lambda _module, _inputs, output: states.append(output))
    audio = torch.from_numpy(windows[:1])
    with torch.inference_mode():
        net(audio)
        net(torch.cat([audio[:, : 960 * 400], audio[:, 960 * 400 :].flip(1)], dim=1))
    torch.testing.assert_close(states[0][:, : 400 - 15], states[1][:, : 400 - 15])
    assert not torch.allclose(states[0][:, 400:], states[1][:, 400:])


def test_a_missing_weight_is_refused():
    state = build_state() | {}
    del state["net.layers.3.conv_block.module.3.running_var"]
    with pytest.raises(RuntimeError, match=r"layers\.3\.conv_block\.module\.3\.running_var"):
        build_net(state, SETTINGS, LAYER + 1)


def test_settings_are_read_and_nothing_is_run(tmp_path):
    """A gin file can call any function, but not here. Its lines may have comments and continue on the next line."""
    config = tmp_path / "config.gin"
    lines = "import subprocess\nbuild_module.net = @subprocess.check_output()\n"
    config.write_text(lines + CONFIG.replace("norm_mean = 0", "norm_mean = \\\n    0  # measured"))
    assert read_settings(config) == SETTINGS


@pytest.mark.parametrize(
    ("line", "changed", "message"),
    [
        ("Waveform.sr = 24000", "Waveform.sr = 16000", "says Waveform.sr 16000"),
        ("use_deepnorm = True", "use_deepnorm = False", "says Conformer.use_deepnorm False"),
        ("use_rope = True", "use_rope = False", "says Conformer.use_rope False"),
        ("@nets.waveform.Waveform", "@nets.melspectrogram.MelSpectrogram", "says input @nets.melspectrogram"),
        (
            "alpha_deepnorm = 2.6321480259049848",
            "alpha_deepnorm = @measure()",
            "no number for Conformer.alpha_deepnorm",
        ),
        ("Conformer.mlp_residual_factor", "Conformer.factor", "no number for Conformer.mlp_residual_factor"),
    ],
)
def test_another_network_is_refused(line, changed, message, tmp_path):
    spec = build(tmp_path, CONFIG.replace(line, changed))
    with pytest.raises(UserError, match=message):
        ENCODERS["omar-rq"].load(spec, tmp_path)
