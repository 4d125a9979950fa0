"""MuQ and MuQ-MuLan against transformers' layers, a second implementation, and the released files' sizes."""

import hashlib
import json

import numpy as np
import pytest
import torch
from torch.nn import functional
from transformers import PreTrainedTokenizerFast, Wav2Vec2ConformerConfig, XLMRobertaConfig, XLMRobertaModel
from transformers.audio_utils import mel_filter_bank
from transformers.models.wav2vec2_conformer.modeling_wav2vec2_conformer import Wav2Vec2ConformerEncoder

from schemas.errors import UserError
from tests.conformance import small_muq
from tests.conformance.golden import signal
from tests.conformance.small_muq import HEADS, LITTLE, MORE_HEADS, Sizes
from workers.encoders.muq.encoder import SPEC, Muq
from workers.encoders.muq.mulan import MAX_TOKENS, MuqMulan, MuqMulanTextTower, read_state_index
from workers.encoders.muq.mulan_net import build_audio_tower, build_text_tower
from workers.encoders.muq.net import build_backbone, read_settings
from workers.encoders.ttmr.net import strip_prefix

MEAN, DEVIATION = 6.768444971712967, 18.417922652295623
TEXTS = ["banjo", "a slow waltz, recorded in a church", "é 音楽", "", "now"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("models")


def test_muq_is_the_mean_of_transformers_hidden_states(folder):
    window = signal(SPEC.backbone.windows.window, SPEC.backbone.windows.sample_rate)
    actual = Muq(small_muq.small_muq(folder), folder).embed_windows(window[None])[0]
    states = states_by_transformers(small_muq.build_state(small_muq.muq_shapes()), window)
    assert len(states) == LITTLE.layers + 1
    assert states[0].shape == (750, LITTLE.dim)
    np.testing.assert_allclose(actual, torch.stack(states).mean((0, 1)).numpy(), atol=1e-5)


def test_mulan_uses_the_last_hidden_state(folder):
    spec = small_muq.small_mulan(folder)
    window = signal(spec.backbone.windows.window, spec.backbone.windows.sample_rate)
    actual = MuqMulan(spec, folder).embed_windows(np.stack([window * 0.01, window]))[1]
    w = small_muq.build_state(small_muq.mulan_shapes())
    states = states_by_transformers(strip_prefix(w, "mulan.audio.model."), window)
    mean = linear(w, "mulan.audio.proj", states[-1]).mean(0)
    np.testing.assert_allclose(actual, normalise(linear(w, "mulan.audio_to_latents", mean)).numpy(), atol=1e-5)


def test_mulan_reads_each_text_alone(folder):
    spec = small_muq.small_mulan(folder)
    w = small_muq.build_state(small_muq.mulan_shapes())
    expected = torch.stack([text_by_transformers(w, text) for text in TEXTS]).numpy()
    np.testing.assert_allclose(MuqMulanTextTower(spec, folder).embed_text(TEXTS), expected, atol=1e-5)


def test_a_long_text_is_cut_where_positions_end(folder):
    tower = MuqMulanTextTower(small_muq.small_mulan(folder), folder)
    cut, longer = tower.embed_text(["x" * (MAX_TOKENS - 3), "x" * 2 * MAX_TOKENS])  # <s>, a blank and </s> count too
    np.testing.assert_allclose(longer, cut, atol=1e-6)


def test_the_released_sizes_load(tmp_path):
    """Names and shapes load, and give a file of the length that public code pins; the numbers were never seen."""
    settings = read_settings(config_file(tmp_path))
    weights = tensors_without_numbers(small_muq.muq_shapes(Sizes()))
    assert safetensors_length(weights) == 1_333_825_096
    assert len(build_backbone(weights, settings).conformer.layers) == 12
    weights = tensors_without_numbers(small_muq.mulan_shapes(Sizes()))
    assert sum(tensor.nbytes for tensor in weights.values()) == 2_653_614_972
    assert build_audio_tower(weights, settings, -1).summary.latents.out_features == 512
    assert len(build_text_tower(weights).summary.layers) == 8


def test_the_small_config_is_the_released_one(tmp_path):
    """The sha256 is that of config.json at 2e01c796, as public code pins it."""
    config = small_muq.mulan_config()
    assert hashlib.sha256(config).hexdigest() == "8fefc545ef87ecd9bcde7417dd03464370c48c321f36dcff20266a752079e468"
    (tmp_path / "config.json").write_bytes(config)
    assert read_state_index(tmp_path / "config.json") == -1


def test_settings_of_another_net_are_refused(tmp_path):
    right = json.loads(small_muq.muq_config())
    for change in (
        {"hop_length": 480},
        {"w2v2_config": right["w2v2_config"] | {"position_embeddings_type": "relative"}},
    ):
        (tmp_path / "config.json").write_text(json.dumps(right | change))
        with pytest.raises(UserError, match="this tonelake computes"):
            read_settings(tmp_path / "config.json")
    other = small_muq.MULAN_CONFIG | {"mulan": {"sr": 24000, "clip_secs": 5}}
    (tmp_path / "config.json").write_text(json.dumps(other))
    with pytest.raises(UserError, match="clip_secs 5"):
        read_state_index(tmp_path / "config.json")


@pytest.mark.parametrize("name", ["model.conv.linear.bais", "model.conformer.layers.0.ffn3.weight"])
def test_an_unknown_weight_is_refused(name, tmp_path):
    weights = small_muq.build_state(small_muq.muq_shapes()) | {name: torch.zeros(1)}
    settings = read_settings(config_file(tmp_path))
    with pytest.raises(RuntimeError, match=name.removeprefix("model.")):
        build_backbone(weights, settings)


def states_by_transformers(w, window):
    """Compute states of [T, dim]: the front by hand (muq/modules/{features,conv}.py), transformers' conformer."""
    x = torch.from_numpy(mel_by_hand(window).astype(np.float32))[None, None]
    for block in ("model.conv.conv.0", "model.conv.conv.1"):
        inner = torch.relu(batch_norm(w, f"{block}.bn1", conv(w, f"{block}.conv1", x, 2)))
        inner = batch_norm(w, f"{block}.bn2", conv(w, f"{block}.conv2", inner, 1))
        x = torch.relu(inner + batch_norm(w, f"{block}.bn3", conv(w, f"{block}.conv3", x, 2)))
    x = linear(w, "model.conv.linear", x[0].permute(2, 0, 1).flatten(1))
    config = Wav2Vec2ConformerConfig(
        hidden_size=LITTLE.dim,
        num_hidden_layers=LITTLE.layers,
        num_attention_heads=HEADS,
        intermediate_size=LITTLE.inner,
        hidden_act="swish",
        position_embeddings_type="rotary",
        attn_implementation="eager",
    )
    encoder, states = Wav2Vec2ConformerEncoder(config).eval(), [x]
    encoder.load_state_dict(strip_prefix(w, "model.conformer."))
    for layer in encoder.layers:
        layer.register_forward_hook(lambda _, __, out: states.append(out[0]))
    with torch.no_grad():
        last = encoder(x[None]).last_hidden_state[0]
    return [*states[:-1], last]


def mel_by_hand(window):
    """Compute the power in dB of 128 bands [128, samples / 240]."""
    padded = np.pad(window.astype(float), 1024, mode="reflect")
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(2048) / 2048)
    frames = np.lib.stride_tricks.sliding_window_view(padded, 2048)[::240][: len(window) // 240] * hann
    filters = mel_filter_bank(1025, 128, 0, 12_000, 24_000, norm=None, mel_scale="htk")
    decibels = 10 * np.log10(np.maximum(np.abs(np.fft.rfft(frames)) ** 2 @ filters, 1e-10))
    return (decibels.T - MEAN) / DEVIATION


def text_by_transformers(w, text):
    """Embed a text [joint]: transformers' tokenizer and XLM-RoBERTa, muq_mulan/modules/transformer.py by hand."""
    special = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=small_muq.build_tokenizer(), **special)
    config = XLMRobertaConfig(
        vocab_size=len(small_muq.word_pieces()),
        hidden_size=LITTLE.text,
        num_hidden_layers=LITTLE.text_layers,
        intermediate_size=4 * LITTLE.text,
        max_position_embeddings=small_muq.TEXT_POSITIONS,
        type_vocab_size=1,
        layer_norm_eps=1e-5,
    )
    roberta = XLMRobertaModel(config).eval()
    roberta.load_state_dict(strip_prefix(w, "mulan.text.model."))
    with torch.no_grad():
        x = roberta(**tokenizer([text], return_tensors="pt", padding=True)).last_hidden_state[0]
    for number in range(LITTLE.more_layers):
        x = x + attention(strip_prefix(w, f"mulan.text.transformer.layers.{number}.0."), x)
        x = x + gated_feed_forward(strip_prefix(w, f"mulan.text.transformer.layers.{number}.1."), x)
    return normalise(linear(w, "mulan.text_to_latents", x.mean(0)))


def attention(w, x):
    """Compute attention of unit queries and keys, head by head."""
    x = functional.layer_norm(x, (LITTLE.text,), w["norm.learned_gamma"])
    query, (key, value) = x @ w["to_q.weight"].T, (x @ w["to_kv.weight"].T).chunk(2, dim=1)
    tensors = []
    for start in range(0, MORE_HEADS * LITTLE.head, LITTLE.head):
        head = slice(start, start + LITTLE.head)
        scores = 8 * (normalise(query[:, head]) * w["q_scale"]) @ (normalise(key[:, head]) * w["k_scale"]).T
        tensors.append(scores.softmax(1) @ value[:, head])
    return torch.cat(tensors, dim=1) @ w["to_out.0.weight"].T


def gated_feed_forward(w, x):
    x, gate = (functional.layer_norm(x, (LITTLE.text,), w["0.learned_gamma"]) @ w["1.weight"].T).chunk(2, dim=1)
    return (functional.gelu(gate) * x) @ w["4.weight"].T


def linear(w, name, x):
    return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]


def conv(w, name, x, stride):
    return functional.conv2d(x, w[f"{name}.weight"], w[f"{name}.bias"], stride, padding=1)


def batch_norm(w, name, x):
    mean, variance, weight, bias = (w[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias"))
    return functional.batch_norm(x, mean, variance, weight, bias)


def normalise(x):
    return x / x.norm(dim=-1, keepdim=True)


def config_file(folder):
    (folder / "config.json").write_bytes(small_muq.muq_config())
    return folder / "config.json"


def tensors_without_numbers(shapes):
    """Return tensors of these shapes on the device "meta"."""
    tensors = {name: torch.empty(shape, device="meta") for name, shape in shapes.items()}
    return tensors | small_muq.build_buffers(shapes)


def safetensors_length(weights):
    """Return the length of a file of these tensors.

    It has the header's length, the header in blocks of 8 bytes, and the numbers.
    """
    kinds, header, end = {torch.float32: "F32", torch.int64: "I64"}, {"__metadata__": {"format": "pt"}}, 0
    for name in sorted(weights, key=lambda name: (-weights[name].element_size(), name)):
        tensor, start = weights[name], end
        end += tensor.nbytes
        header[name] = {"dtype": kinds[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [start, end]}
    written = len(json.dumps(header, separators=(",", ":")))
    return 8 + -(-written // 8) * 8 + end
