"""EnCodec's encoder against a direct call of transformers, and against a second implementation."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch.nn import functional
from transformers import EncodecFeatureExtractor, EncodecModel

from tests.conformance.golden import signal
from tests.conformance.small_ssl import FILTERS, LATENT, RATIOS, SMALL
from workers.encoders.pretrained_audio.encodec import ENCODEC, SAMPLE_RATE, SPEC
from workers.encoders.registry import ENCODERS

SIZE = SPEC.backbone.windows.window


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def windows():
    sound = signal(SIZE, SAMPLE_RATE)
    return np.stack([sound, sound * 0.1, np.zeros(SIZE)]).astype(np.float32)


@pytest.fixture(scope="module")
def vectors(folder, windows):
    return ENCODERS["encodec"].load(SMALL["encodec"](folder), folder).embed_windows(windows)


def test_equals_a_direct_call(vectors, folder, windows):
    inputs = EncodecFeatureExtractor()(list(windows), sampling_rate=SAMPLE_RATE, return_tensors="pt")["input_values"]
    net = EncodecModel.from_pretrained(folder / ENCODEC.folder).eval()
    with torch.inference_mode():
        latents = net.encoder(inputs)
        codes = net.encode(inputs, bandwidth=1.5).audio_codes
    assert latents.shape == (3, LATENT, SIZE // 320) == (3, LATENT, 750)
    assert codes.shape[-1] == 750, "the mean is over the latents that the codes are made of"
    np.testing.assert_allclose(vectors, latents.mean(2), atol=1e-5)


def test_equals_a_second_implementation(vectors, folder, windows):
    w = load_file(folder / ENCODEC.folder / "model.safetensors")
    np.testing.assert_allclose(vectors, by_hand(w, windows), atol=1e-5)


def by_hand(w, windows):
    """Compute facebookresearch/encodec's SEANetEncoder: encodec/modules/seanet.py at 1e9132ba, set as in model.py."""
    x = causal_conv(w, "encoder.layers.0", torch.from_numpy(windows)[:, None])
    for step, ratio in enumerate(reversed(RATIOS)):
        name = f"encoder.layers.{3 * step + 1}"
        inner = causal_conv(w, f"{name}.block.1", functional.elu(x))
        x = causal_conv(w, f"{name}.shortcut", x) + causal_conv(w, f"{name}.block.3", functional.elu(inner))
        x = causal_conv(w, f"encoder.layers.{3 * step + 3}", functional.elu(x), stride=ratio)
    lstm = torch.nn.LSTM(16 * FILTERS, 16 * FILTERS, 2)
    lstm.load_state_dict(
        {key.split("lstm.")[1]: tensor for key, tensor in w.items() if "encoder.layers.13.lstm" in key}
    )
    with torch.inference_mode():
        x = x + lstm(x.permute(2, 0, 1))[0].permute(1, 2, 0)
        return causal_conv(w, "encoder.layers.15", functional.elu(x)).mean(2)


def causal_conv(w, name, x, stride=1):
    """Apply a convolution over the past only, mirrored before the start."""
    direction = w[f"{name}.conv.weight_v"]
    weight = w[f"{name}.conv.weight_g"] * direction / direction.norm(dim=(1, 2), keepdim=True)
    x = functional.pad(x, (weight.shape[2] - stride, 0), mode="reflect")
    return functional.conv1d(x, weight, w[f"{name}.conv.bias"], stride=stride)


def test_the_published_sizes():
    """encodec/model.py at 0aaca337, encodec_model_24khz: 128 latents in steps of 320 samples, the last one whole."""
    assert SPEC.backbone.dim == 128
    assert SIZE % np.prod(RATIOS) == 0
