"""The tagging CNNs against a second implementation: plain arithmetic, transformers' spectrogram, a loop as GRU.

It follows training/model.py and training/modules.py of minzwon/sota-music-tagging-models, 3abe8be7 and 1676bf3e.
"""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional
from transformers.audio_utils import spectrogram

from tests.conformance.golden import signal
from tests.conformance.small_tagging_cnn import SMALL, build, build_state, htk_filters
from workers.encoders.musicnn.tags import MSD_TAGS, MTT_TAGS
from workers.encoders.registry import ENCODERS
from workers.encoders.tagging_cnns.nets import LogMel, build_net, read_weights
from workers.weights.cache import weights_folder

WON_TAGS = Path(__file__).parents[3] / "data/benchmarks/mtat/won2020/tags.txt"
# training/eval.py at ba326791, in samples.
WINDOWS = {"fcn": 464_000, "crnn": 464_000, "sample-cnn": 59_049, "short-chunk": 59_049, "harmonic-cnn": 80_000}


def decibels(audio, filters):
    options = {"power": 2, "mel_floor": 1e-10, "log_mel": "dB", "min_value": 1e-10, "dtype": np.float64}
    return spectrogram(audio, np.hanning(513)[:-1], 512, 256, mel_filters=filters, **options)


def batch_norm(w, name, x):
    return functional.batch_norm(
        x, *(w[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias"))
    )


def conv(w, name, x, stride=1):
    weight = w[f"{name}.weight"]
    apply = functional.conv1d if weight.ndim == 3 else functional.conv2d
    return apply(x, weight, w[f"{name}.bias"], stride, weight.shape[-1] // 2)


def blocks(w, x, poolings):
    for number, pooling in enumerate(poolings, start=1):
        x = block(w, number, x, pooling)
    return x


def block(w, number, x, pooling, stride=1):
    x = batch_norm(w, f"layer{number}.bn", conv(w, f"layer{number}.conv", x, stride)).relu()
    return functional.max_pool1d(x, pooling) if x.ndim == 3 else functional.max_pool2d(x, pooling)


def residual(w, number, x, stride=1):
    name = f"layer{number}"
    out = batch_norm(w, f"{name}.bn_1", conv(w, f"{name}.conv_1", x, stride)).relu()
    out = batch_norm(w, f"{name}.bn_2", conv(w, f"{name}.conv_2", out))
    if f"{name}.conv_3.weight" in w:
        x = batch_norm(w, f"{name}.bn_3", conv(w, f"{name}.conv_3", x, stride))
    return (x + out).relu()


def two_dense(w, x):
    x = x.amax(3)[:, :, 0] @ w["dense1.weight"].T + w["dense1.bias"]
    return batch_norm(w, "bn", x).relu()


def mel(w, audio):
    return batch_norm(
        w, "spec_bn", torch.tensor(decibels(audio, htk_filters(w["spec.mel_scale.fb"].shape[1])))[None, None]
    )


def fcn(w, audio):
    return blocks(w, mel(w, audio), [(2, 4), (2, 4), (2, 4), (3, 5), (4, 4)])[:, :, 0, 0]


def crnn(w, audio):
    steps = blocks(w, mel(w, audio), [(2, 2), (3, 3), (4, 4), (4, 4)])[0, :, 0].T
    for layer in ("l0", "l1"):
        state, states = torch.zeros(w["layer5.weight_hh_l0"].shape[1], dtype=torch.float64), []
        for step in steps:
            input_gates, state_gates = (
                (w[f"layer5.weight_{gate}_{layer}"] @ x + w[f"layer5.bias_{gate}_{layer}"]).chunk(3)
                for gate, x in (("ih", step), ("hh", state))
            )
            reset, update = (input_gates[0] + state_gates[0]).sigmoid(), (input_gates[1] + state_gates[1]).sigmoid()
            state = (1 - update) * (input_gates[2] + reset * state_gates[2]).tanh() + update * state
            states.append(state)
        steps = torch.stack(states)
    return steps[-1:]


def sample_cnn(w, audio):
    x = block(w, 1, torch.tensor(audio, dtype=torch.float64)[None, None], 1, stride=3)
    for number in range(2, 11):
        x = block(w, number, x, 3)
    return block(w, 11, x, 1)[:, :, 0]


def short_chunk(w, audio):
    x = mel(w, audio)
    for number in range(1, 8):
        x = residual(w, number, x, stride=2)
    return two_dense(w, x)


def harmonic_cnn(w, audio):
    hz = np.concatenate([440 * 2 ** ((np.arange(48, 176) / 2 - 69) / 12) * multiple for multiple in range(1, 7)])
    bandwidth = (0.1079 * hz + 24.7) / w["hstft.bw_Q"].item()
    bins = np.linspace(0, 8000, 257)[:, None]
    rising, falling = (sign * 2 * bins / bandwidth + 1 - sign * 2 * hz / bandwidth for sign in (1, -1))
    pitches = decibels(audio, np.maximum(0, np.minimum(rising, falling))).reshape(1, 6, 128, -1)
    x = batch_norm(w, "hstft_bn", torch.tensor(pitches))
    for number in range(1, 8):
        pooling = (2, 3) if number > 5 else 2
        if number in (1, 5):
            x = block(w, number, x, pooling)
        else:
            x = functional.max_pool2d(residual(w, number, x), pooling)
    return two_dense(w, x)


DEFINITIONS = {
    "fcn": fcn,
    "crnn": crnn,
    "sample-cnn": sample_cnn,
    "short-chunk": short_chunk,
    "harmonic-cnn": harmonic_cnn,
}


@pytest.mark.parametrize("name", SMALL)
def test_equals_its_definition(name, tmp_path):
    encoder = ENCODERS[name].load(build(name, tmp_path), tmp_path)
    (source,) = ENCODERS[name].weights
    stored = read_weights(weights_folder(source, tmp_path) / "best_model.pth")
    weights = {key: numbers.double() for key, numbers in stored.items()}
    audio = signal(WINDOWS[name], 16_000)

    features = encoder.embed_windows(audio[None])
    expected = DEFINITIONS[name](weights, audio)
    np.testing.assert_allclose(features, expected, rtol=1e-4, atol=1e-4 * np.abs(features).max())

    last = "dense2" if "dense2.weight" in weights else "dense"
    tags = (expected @ weights[f"{last}.weight"].T + weights[f"{last}.bias"]).sigmoid()
    np.testing.assert_allclose(encoder.tag(features), tags, atol=2e-3)  # features are rounded to float16 before


@pytest.mark.parametrize("name", SMALL)
def test_takes_weights_of_the_published_size(name):
    spec = ENCODERS[name].spec
    net = build_net(name, build_state(name))
    with torch.inference_mode():
        features = net(torch.from_numpy(signal(spec.backbone.windows.window, 16_000))[None])
    assert features.shape == (1, spec.backbone.dim)
    assert spec.backbone.windows.window == WINDOWS[name]


@pytest.mark.parametrize("bands", [96, 128])
def test_decibels_are_those_of_transformers(bands):
    filters = torch.from_numpy(htk_filters(bands).astype(np.float32))
    weights = {"spec.spectrogram.window": torch.hann_window(512), "spec.mel_scale.fb": filters}
    net = LogMel(weights)
    net.load_state_dict({name.removeprefix("spec."): tensor for name, tensor in weights.items()})
    audio = signal(59_049, 16_000)
    actual = net(torch.from_numpy(audio)[None])[0]
    np.testing.assert_allclose(actual, decibels(audio, htk_filters(bands)), atol=2e-3)
    assert net(torch.zeros(1, 1024)).unique().tolist() == pytest.approx([-100])


def test_weights_of_another_network_are_refused():
    weights = build_state("fcn", divisor=8)
    with pytest.raises(RuntimeError, match="extra"):
        build_net("fcn", {**weights, "extra.weight": torch.zeros(1)})
    del weights["layer5.bn.running_var"]
    with pytest.raises(RuntimeError, match=r"layer5\.bn\.running_var"):
        build_net("fcn", weights)


def test_tags_stand_in_the_order_of_the_outputs():
    vocabularies = {name: ENCODERS[name].spec.tagger.vocabulary for name in SMALL}
    assert {name for name, tags in vocabularies.items() if tags == MSD_TAGS} == {"short-chunk"}
    assert all(tags in (MSD_TAGS, MTT_TAGS) for tags in vocabularies.values())
    assert tuple(WON_TAGS.read_text().splitlines()) == MTT_TAGS
