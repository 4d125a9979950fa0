"""OMAR-RQ in its own environment, against a direct call of the package with all layers."""

import io

import numpy as np
import pytest

from schemas.errors import UserError
from tests.conformance.environments import run_in_environment
from tests.conformance.golden import signal
from tests.conformance.small_omar_rq import CONFIG, DIM, build
from workers.encoders.isolated.omar_rq import LAYER, PACKAGES, WEIGHTS, require_plain_gin
from workers.encoders.registry import ENCODERS

_DIRECT = """
import sys, contextlib, numpy as np, torch, transformers
from omar_rq import get_model
with contextlib.redirect_stdout(sys.stderr):
    net = get_model(config_file=sys.argv[1] + "/config.gin")
audio = torch.from_numpy(np.load(sys.argv[2]))
with torch.inference_mode():
    layers = net.extract_embeddings(audio, layers=range(9))
np.savez(sys.stdout.buffer, layers=layers, rate=net.eps, transformers=transformers.__version__)
"""


@pytest.fixture(scope="module")
def vectors_and_package(tmp_path_factory):
    """The encoder's vectors of two windows, and the package's output of every layer."""
    models = tmp_path_factory.mktemp("models")
    encoder = ENCODERS["omar-rq"].load(build(models), models)
    spec = encoder.spec.backbone.windows
    noise = np.random.default_rng(3).normal(0, 0.1, spec.window)
    windows = np.stack([signal(spec.window, spec.sample_rate), noise]).astype(np.float32)
    np.save(models / "audio.npy", windows)
    direct = np.load(io.BytesIO(run_in_environment(PACKAGES, _DIRECT, models / WEIGHTS.folder, models / "audio.npy")))
    return encoder.embed_windows(windows), direct


def test_a_window_is_the_mean_of_that_layers_steps(vectors_and_package):
    vectors, direct = vectors_and_package
    np.testing.assert_allclose(vectors, direct["layers"][LAYER].mean(1), rtol=1e-4, atol=1e-5)
    assert not np.allclose(vectors, direct["layers"][LAYER + 1].mean(1), atol=1e-2)


def test_the_package_uses_the_whole_window(vectors_and_package):
    _, direct = vectors_and_package
    assert direct["layers"].shape == (9, 2, 30 * 25, DIM)
    assert direct["rate"] == 25


def test_the_package_has_the_transformers_that_it_pins(vectors_and_package):
    _, direct = vectors_and_package
    assert str(direct["transformers"]) == "4.57.6"


@pytest.mark.parametrize(
    "line",
    ["from __gin__ import dynamic_registration", "import subprocess", "  include '/tmp/more.gin'", "\ufeffimport os"],
)
def test_a_configuration_that_would_call_functions_is_refused(line, tmp_path):
    """With these lines, a gin file can call anything: `build_module.net = @subprocess.check_output()`."""
    config = tmp_path / "config.gin"
    config.write_text(f"# from the hub\n{CONFIG}")
    require_plain_gin(config)
    config.write_text(f"{CONFIG}\n{line}\n")
    with pytest.raises(UserError, match="holds more than settings"):
        require_plain_gin(config)
