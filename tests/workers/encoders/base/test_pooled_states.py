"""wav2vec 2.0 and MERT against a second implementation from the state dict, and against transformers."""

import json

import numpy as np
import pytest
import torch
from torch.nn import functional
from transformers import Wav2Vec2FeatureExtractor, Wav2Vec2Model

from schemas.errors import UserError
from tests.conformance.golden import signal
from tests.conformance.seeded import write_source
from tests.conformance.small_ssl import (
    GROUPS,
    HEADS,
    LAYERS,
    POSITION_KERNEL,
    SMALL,
    STRIDES,
    build_files,
    hubert_weights,
)
from workers.encoders.base.pooled_states import WaveformNorm
from workers.encoders.pretrained_audio.mert import MERT
from workers.encoders.pretrained_audio.wav2vec2 import WAV2VEC2
from workers.encoders.registry import ENCODERS

SOURCES = {"wav2vec2": WAV2VEC2, **MERT}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("models")


def make_windows(spec):
    """Return three notes, much quieter noise with an offset, and silence [3, window]."""
    rate, size = spec.backbone.windows.sample_rate, spec.backbone.windows.window
    noise = np.random.default_rng(0).normal(0.1, 0.01, size)
    return np.stack([signal(size, rate), noise, np.zeros(size)]).astype(np.float32)


@pytest.mark.parametrize("name", SOURCES)
def test_equals_a_second_implementation(name, folder):
    spec = SMALL[name](folder)
    windows = make_windows(spec)
    actual = ENCODERS[name].load(spec, folder).embed_windows(windows)
    states = states_by_hand(tensors(name), normalised(windows), norm_first=name == "mert-330m")
    expected = states[-1] if name == "wav2vec2" else torch.stack(states).mean(0)
    np.testing.assert_allclose(actual, expected.mean(1), atol=2e-5)


def tensors(name):
    return {key: torch.from_numpy(numbers) for key, numbers in hubert_weights(name).items()}


def normalised(windows):
    wide = windows.astype(float)
    return torch.from_numpy((wide - wide.mean(1, keepdims=True)) / np.sqrt(wide.var(1, keepdims=True) + 1e-7)).float()


def states_by_hand(w, audio, norm_first):
    """Compute LAYERS + 1 states [B, time, dim] like HubertModel of transformers 4, the base of modeling_MERT.py.

    With the norm before each layer, the last state is taken after the encoder's last norm, as there.
    """
    x = audio[:, None]
    for number, stride in enumerate(STRIDES):
        x = functional.conv1d(x, w[f"feature_extractor.conv_layers.{number}.conv.weight"], stride=stride)
        if number == 0:
            name = "feature_extractor.conv_layers.0.layer_norm"
            x = functional.group_norm(x, x.shape[1], w[f"{name}.weight"], w[f"{name}.bias"])
        x = functional.gelu(x)
    x = dense(w, "feature_projection.projection", layer_norm(w, "feature_projection.layer_norm", x.transpose(1, 2)))
    x = x + position_embeddings(w, x)
    x = x if norm_first else layer_norm(w, "encoder.layer_norm", x)
    states = [x]
    for number in range(LAYERS):
        x = layer_by_hand(w, f"encoder.layers.{number}", x, norm_first)
        states.append(x)
    return [*states[:-1], layer_norm(w, "encoder.layer_norm", x)] if norm_first else states


def position_embeddings(w, x):
    name = "encoder.pos_conv_embed.conv"
    norms = w[f"{name}.weight_v"].norm(dim=(0, 1), keepdim=True)
    weight = w[f"{name}.weight_g"] * w[f"{name}.weight_v"] / norms
    positions = functional.conv1d(
        x.transpose(1, 2), weight, w[f"{name}.bias"], padding=POSITION_KERNEL // 2, groups=GROUPS
    )
    return functional.gelu(positions[..., :-1]).transpose(1, 2)


def layer_by_hand(w, name, x, norm_first):
    if norm_first:
        x = x + attention(w, f"{name}.attention", layer_norm(w, f"{name}.layer_norm", x))
        return x + feed_forward(w, f"{name}.feed_forward", layer_norm(w, f"{name}.final_layer_norm", x))
    x = layer_norm(w, f"{name}.layer_norm", x + attention(w, f"{name}.attention", x))
    return layer_norm(w, f"{name}.final_layer_norm", x + feed_forward(w, f"{name}.feed_forward", x))


def attention(w, name, x):
    q, k, v = (
        dense(w, f"{name}.{projection}_proj", x).unflatten(2, (HEADS, -1)).transpose(1, 2) for projection in "qkv"
    )
    weights = torch.softmax(q @ k.transpose(2, 3) / q.shape[3] ** 0.5, dim=3)
    return dense(w, f"{name}.out_proj", (weights @ v).transpose(1, 2).flatten(2))


def feed_forward(w, name, x):
    return dense(w, f"{name}.output_dense", functional.gelu(dense(w, f"{name}.intermediate_dense", x)))


def dense(w, name, x):
    return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]


def layer_norm(w, name, x):
    return functional.layer_norm(x, x.shape[-1:], w[f"{name}.weight"], w[f"{name}.bias"])


def test_attention_relax_changes_no_number():
    """HubertAttention_extend in modeling_MERT.py: rows over 32, less their maximum, times 32, then softmax."""
    rows = torch.from_numpy(np.random.default_rng(0).normal(0, 20, (50, 40)))
    relaxed = rows / 32
    relaxed = (relaxed - relaxed.max(1, keepdim=True).values) * 32
    torch.testing.assert_close(torch.softmax(relaxed, 1), torch.softmax(rows, 1))


def test_wav2vec2_equals_a_direct_call(folder):
    spec = SMALL["wav2vec2"](folder)
    files = folder / WAV2VEC2.folder
    windows = make_windows(spec)
    inputs = Wav2Vec2FeatureExtractor.from_pretrained(files)(list(windows), sampling_rate=16_000, return_tensors="pt")
    with torch.inference_mode():
        expected = Wav2Vec2Model.from_pretrained(files).eval()(inputs["input_values"]).last_hidden_state.mean(1)
    actual = ENCODERS["wav2vec2"].load(spec, folder).embed_windows(windows)
    np.testing.assert_allclose(actual, expected, atol=1e-5)


def test_waveform_norm_equals_the_extractor():
    sound = signal(24_000, 16_000)
    rows = np.stack([sound, sound / 1000 + 0.5, np.zeros_like(sound)])
    expected = Wav2Vec2FeatureExtractor(do_normalize=True)(list(rows), sampling_rate=16_000, return_tensors="pt")
    np.testing.assert_allclose(WaveformNorm()(torch.from_numpy(rows)), expected["input_values"], atol=2e-4)


@pytest.mark.parametrize("name", SOURCES)
def test_loudness_matters_only_without_normalisation(name, tmp_path):
    spec = SMALL[name](tmp_path)
    sound = make_windows(spec)[:1]
    pair = np.concatenate([sound, sound / 8])
    loud, quiet = ENCODERS[name].load(spec, tmp_path).embed_windows(pair)
    np.testing.assert_allclose(loud, quiet, atol=1e-4)
    change_settings(SOURCES[name], tmp_path, "preprocessor_config.json", do_normalize=False)
    raw, _ = ENCODERS[name].load(spec, tmp_path).embed_windows(pair)
    states = states_by_hand(tensors(name), torch.from_numpy(sound), norm_first=name == "mert-330m")
    expected = states[-1] if name == "wav2vec2" else torch.stack(states).mean(0)
    np.testing.assert_allclose(raw, expected.mean(1)[0], atol=2e-5)
    assert np.abs(raw - loud).max() > 1e-3


def change_settings(source, folder, file, **settings):
    current = json.loads((folder / source.folder / file).read_text())
    write_source(source, folder, {file: json.dumps(current | settings).encode()})


@pytest.mark.parametrize("option", ["feature_extractor_cqt", "deepnorm"])
def test_an_unsupported_mert_option_is_refused(option, tmp_path):
    spec = SMALL["mert-95m"](tmp_path)
    change_settings(MERT["mert-95m"], tmp_path, "config.json", **{option: True})
    with pytest.raises(UserError, match=option):
        ENCODERS["mert-95m"].load(spec, tmp_path)


def test_another_sample_rate_is_refused(tmp_path):
    spec = SMALL["mert-95m"](tmp_path)
    change_settings(MERT["mert-95m"], tmp_path, "preprocessor_config.json", sampling_rate=16_000)
    with pytest.raises(UserError, match="16000 Hz"):
        ENCODERS["mert-95m"].load(spec, tmp_path)


def test_missing_weights_are_refused(tmp_path):
    spec = SMALL["mert-330m"](tmp_path)
    source = MERT["mert-330m"]
    weights = torch.load(tmp_path / source.folder / "pytorch_model.bin", weights_only=True)
    del weights["encoder.layers.1.attention.q_proj.bias"]
    torch.save(weights, tmp_path / "cut.bin")
    write_source(source, tmp_path, {"pytorch_model.bin": (tmp_path / "cut.bin").read_bytes()})
    with pytest.raises(
        UserError, match=r"lack 1 weights of HubertModel, for example encoder\.layers\.1\.attention\.q_proj"
    ):
        ENCODERS["mert-330m"].load(spec, tmp_path)


@pytest.mark.parametrize(
    ("name", "layers", "dim", "frames"), [("mert-95m", 12, 768, 374), ("mert-330m", 24, 1024, 374)]
)
def test_the_published_sizes(name, layers, dim, frames):
    """Layers and dimensions of the table in m-a-p/MERT-v1-330M's README; 75 states a second, without the edges."""
    spec = ENCODERS[name].spec
    assert spec.backbone.dim == spec.head.dim == dim
    assert f"all {layers + 1} states" in spec.backbone.layer
    samples = spec.backbone.windows.window
    for kernel, stride in zip((10, 3, 3, 3, 3, 2, 2), STRIDES, strict=True):
        samples = (samples - kernel) // stride + 1
    assert samples == frames


def test_files_hold_the_authors_names():
    """Names after weight_norm are those of the torch that saved the weights, not today's."""
    assert "encoder.pos_conv_embed.conv.weight_g" in hubert_weights("mert-95m")
    assert set(build_files("mert-95m")) == {"config.json", "preprocessor_config.json", "pytorch_model.bin"}


@pytest.mark.parametrize("name", SMALL)
def test_a_batch_as_on_a_gpu_equals_its_rows(name, tmp_path):
    """On a CPU, the encoder computes windows one by one; here they are one batch."""
    spec = SMALL[name](tmp_path)
    net = ENCODERS[name].load(spec, tmp_path)._net
    windows = torch.from_numpy(make_windows(spec))
    with torch.inference_mode():
        in_one_batch, one_by_one = net(windows), torch.cat([net(row[None]) for row in windows])
    assert (1 - functional.cosine_similarity(in_one_batch.double(), one_by_one.double())).max() < 1e-6
