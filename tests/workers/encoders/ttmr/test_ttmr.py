"""TTMR against a second implementation from the authors' state dict, and against transformers' BERT."""

import json
import pickle
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from tests.conformance.golden import signal
from tests.conformance.small_ttmr import (
    GLOVE_TAGS,
    LAYERS,
    SMALL,
    TEXT_DIM,
    TEXT_LAYERS,
    build_bert_tokenizer,
    build_state,
    mel_triangles,
    serialise_checkpoint,
    word_pieces,
)
from workers.encoders.ttmr import encoder as ttmr
from workers.encoders.ttmr.encoder import MODELS, Ttmr, TtmrBertTextTower, TtmrGloveTextTower
from workers.encoders.ttmr.net import (
    SAMPLE_RATE,
    WINDOW,
    MusicShape,
    MusicTower,
    build_music_tower,
    read_checkpoint,
)
from workers.text.glove_tags import GloveTags

RESULTS = Path(__file__).parents[5] / "shared/data/benchmarks/ttmr_results/classification/exp/transformer_cnn_cf_mel"
HEADS = 8
TEXTS = ["banjo", "hip hop, 80s", "Slow JAZZ, with a muted trumpet; recorded live!", "é 音楽", "", "tenor"]


def build_small(name, folder):
    return SMALL[name](folder), folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("models")


@pytest.mark.parametrize("name", ["ttmr-contrastive-bert-stochastic", "ttmr-classification"])
def test_equals_a_second_implementation(name, folder):
    windows = np.stack([signal(WINDOW, SAMPLE_RATE), np.random.default_rng(0).normal(0, 0.1, WINDOW)])
    actual = Ttmr(*build_small(name, folder)).embed_windows(windows.astype(np.float32))
    expected = np.stack([by_hand(build_state(name), window) for window in windows])
    if name == "ttmr-classification":
        expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    else:
        assert (np.linalg.norm(actual, axis=1) > 1.5).all(), "not normalised"
    np.testing.assert_allclose(actual, expected, atol=2e-5 * np.abs(expected).max())


def by_hand(state, window):
    """Compute mtr/modules/{audio_rep,tokenizer,ops,encoder}.py and encode_audio for one window, in float64."""
    w = {name: tensor.double() for name, tensor in state.items()}
    tokens = front_by_hand(w, torch.from_numpy(mel_by_hand(window)))
    x = (
        torch.cat([w["audio_encoder.cls_token"][None], tokens])
        + w["audio_encoder.pos_embedding"][0, : 1 + len(tokens)]
    )
    for layer in range(LAYERS):
        name = f"audio_encoder.transformer.layers.{layer}"
        x = x + attention_by_hand(w, f"{name}.0.fn", x)
        inner = linear(w, f"{name}.1.fn.fn.net.0", layer_norm(w, f"{name}.1.fn.norm", x))
        x = x + linear(w, f"{name}.1.fn.fn.net.3", inner * 0.5 * (1 + torch.erf(inner / 2**0.5)))
    return (layer_norm(w, "audio_projector.0", x[0]) @ w["audio_projector.1.weight"].T).numpy()


def mel_by_hand(window):
    """Compute the decibels of the real part [bands, 992], frame by frame."""
    padded = np.pad(window.astype(float), 512, mode="reflect")
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(1024) / 1024)
    frames = np.stack([padded[160 * i : 160 * i + 1024] * hann for i in range(992)])
    return 10 * np.log10(np.maximum(np.fft.rfft(frames).real ** 2 @ mel_triangles().double().numpy(), 1e-10)).T


def front_by_hand(w, mel):
    x = batch_norm(w, "audio_encoder.frontend.input_bn", mel[None, None])
    for layer in (1, 2, 3, 4):
        name = f"audio_encoder.frontend.layer{layer}"
        out = conv(w, name, 2, torch.relu(conv(w, name, 1, x)))
        x = functional.max_pool2d(torch.relu(out + (conv(w, name, 3, x) if layer == 1 else x)), 2)
    tokens = x[0].permute(2, 0, 1)  # time, channel, frequency: "cf"
    assert len(tokens) == 62
    return linear(w, "audio_encoder.frontend.fc", tokens.flatten(1))


def attention_by_hand(w, name, x):
    normalised = layer_norm(w, f"{name}.norm", x)
    query, key, value = (normalised @ w[f"{name}.fn.to_qkv.weight"].T).chunk(3, dim=1)
    size = query.shape[1] // HEADS
    outputs = []
    for head in range(HEADS):
        columns = slice(head * size, (head + 1) * size)
        weights = torch.softmax(query[:, columns] @ key[:, columns].T * size**-0.5, dim=1)
        outputs.append(weights @ value[:, columns])
    return linear(w, f"{name}.fn.to_out.0", torch.cat(outputs, dim=1))


def linear(w, name, x):
    return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]


def layer_norm(w, name, x):
    x = (x - x.mean(-1, keepdim=True)) / torch.sqrt(x.var(-1, unbiased=False, keepdim=True) + 1e-5)
    return x * w[f"{name}.weight"] + w[f"{name}.bias"]


def batch_norm(w, name, x):
    weight, bias, mean, variance = (
        w[f"{name}.{kind}"][:, None, None] for kind in ("weight", "bias", "running_mean", "running_var")
    )
    return (x - mean) / torch.sqrt(variance + 1e-5) * weight + bias


def conv(w, name, number, x):
    x = functional.conv2d(x, w[f"{name}.conv_{number}.weight"], w[f"{name}.conv_{number}.bias"], padding=1)
    return batch_norm(w, f"{name}.bn_{number}", x)


def test_the_published_sizes():
    """128 x 992 -> 62 tokens of 1024 numbers; 4.6 million weights."""
    tower = MusicTower(MusicShape())
    assert tower.front.out.in_features == 1024
    assert tower.projection[1].weight.shape == (128, 256)
    assert MODELS["ttmr-contrastive-bert-tag"].spec.backbone.windows.window == WINDOW == int(9.91 * SAMPLE_RATE)
    assert sum(weight.numel() for weight in tower.parameters()) == 4_621_186


def test_every_weight_is_trained():
    tower = MusicTower(MusicShape(bands=16, channels=2, dim=16, layers=1, inner=8, positions=20, joint=4))
    tower(torch.randn(2, 16_000)).square().sum().backward()
    assert [name for name, weight in tower.named_parameters() if weight.grad is None] == []


def test_a_weight_of_another_model_is_refused(tmp_path):
    state = build_state("ttmr-triplet-glove-tag")
    (tmp_path / "strange.pth").write_bytes(serialise_checkpoint(state | {"decoder.weight": torch.zeros(1)}))
    with pytest.raises(ValueError, match=r"decoder\.weight"):
        read_checkpoint(tmp_path / "strange.pth")
    with pytest.raises(RuntimeError, match="decoder"):
        build_music_tower(state | {"audio_encoder.decoder.weight": torch.zeros(1)})
    del state["audio_encoder.frontend.fc.bias"]
    with pytest.raises(RuntimeError, match=r"front\.out\.bias"):
        build_music_tower(state)


def test_a_pickle_of_more_than_tensors_is_refused(tmp_path):
    (tmp_path / "best.pth").write_bytes(serialise_checkpoint({"audio_encoder.x": torch.zeros(1)}, prefix="module."))
    assert list(read_checkpoint(tmp_path / "best.pth")) == ["audio_encoder.x"]
    torch.save({"state_dict": re.compile("x")}, tmp_path / "worse.pth")
    with pytest.raises(pickle.UnpicklingError):
        read_checkpoint(tmp_path / "worse.pth")


def test_text_equals_transformers(folder, tmp_path):
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    name = "ttmr-triplet-bert-sentence"
    state = build_state(name)
    config = BertConfig(
        vocab_size=len(word_pieces()),
        hidden_size=TEXT_DIM,
        num_hidden_layers=TEXT_LAYERS,
        num_attention_heads=ttmr.HEADS,
        intermediate_size=4 * TEXT_DIM,
    )
    bert = BertModel(config).eval()
    bert.load_state_dict({key[13:]: value for key, value in state.items() if key.startswith("text_encoder.")}, False)
    build_bert_tokenizer().save(str(tmp_path / "tokenizer.json"))
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(tmp_path / "tokenizer.json"))
    rows = []
    for text in TEXTS:
        with torch.inference_mode():
            hidden = bert(torch.tensor([tokenizer(text)["input_ids"]]))["last_hidden_state"][:, 0]
        projected = layer_norm(state, "text_projector.0", hidden) @ state["text_projector.1.weight"].T
        rows.append(functional.normalize(projected)[0].numpy())
    np.testing.assert_allclose(TtmrBertTextTower(*build_small(name, folder)).embed_text(TEXTS), rows, atol=2e-6)


def test_a_long_text_is_cut(folder):
    tower = TtmrBertTextTower(*build_small("ttmr-contrastive-bert-tag", folder))
    long = "a " * (ttmr.MAX_TOKENS - 2)
    np.testing.assert_array_equal(tower.embed_text([long]), tower.embed_text([long + "more"]))


def test_glove_is_a_mean_of_whole_tags(folder):
    name = "ttmr-triplet-glove-tag"
    tower = TtmrGloveTextTower(*build_small(name, folder))
    table = dict(zip(GLOVE_TAGS, np.random.default_rng(5).standard_normal((6, 300)), strict=True))
    tags_of_text = {
        "hip hop": ["hip hop"],  # not the word "hip"
        " Rock": ["rock"],
        "hip hop, banjo": ["hip hop", "banjo"],
        "slow banjo": ["slow", "banjo"],  # no tag: its words
        "banjo, unheard of": ["banjo"],
    }
    state = build_state(name)
    for text, tags in tags_of_text.items():
        mean = torch.from_numpy(np.mean([table[tag] for tag in tags], axis=0))
        projected = layer_norm(state, "text_projector.0", mean[None]) @ state["text_projector.1.weight"].T.double()
        np.testing.assert_allclose(tower.embed_text([text]), functional.normalize(projected), atol=2e-6)


def test_unknown_tags_are_logged(folder, caplog):
    TtmrGloveTextTower(*build_small("ttmr-triplet-glove-tag", folder)).embed_text(["zither"])
    assert "zither" in caplog.text


@pytest.mark.parametrize("kind", [list, np.float64, torch.from_numpy])
def test_the_table_may_hold_lists_arrays_or_tensors(kind, tmp_path):
    torch.save({"rock": kind(np.arange(300.0))}, tmp_path / "table.pt")
    np.testing.assert_array_equal(GloveTags(tmp_path / "table.pt").vector("rock"), np.arange(300))


def test_tags_are_sigmoids_of_the_classifier(folder):
    encoder = Ttmr(*build_small("ttmr-classification", folder))
    features = encoder.embed_windows(signal(WINDOW, SAMPLE_RATE)[None])
    weights = build_state("ttmr-classification")["head.fc_cls.weight"]
    expected = torch.sigmoid(torch.from_numpy(features) @ weights.T)
    np.testing.assert_allclose(encoder.tag(features), expected, atol=1e-6)


def test_the_vocabulary_is_in_the_order_of_the_classifier():
    assert len(set(ttmr.ECALS_TAGS)) == 1054
    assert ttmr.ECALS_TAGS[:3] == ("pop rock", "alternative indie rock", "electronic")
    file = RESULTS / "binary_tag/1054_results.json"
    if not file.is_file():
        pytest.skip(f"{file} is not here: it is not part of the repository")
    assert tuple(json.loads(file.read_text())["tag_wise"]) == ttmr.ECALS_TAGS


def test_each_model_has_a_separate_checkpoint():
    """Source of paths: get_model in mtr/utils/demo_utils.py; of folder names: the repository's hparams.yaml."""
    members = {model.source.members[0] for model in MODELS.values()}
    assert len(members) == len({registration.spec.embedding_version for registration in ttmr.REGISTRATIONS}) == 10
    assert "mtr/contrastive/exp/transformer_cnn_cf_mel/bert_caption/best.pth" in members
    assert "mtr/classification/exp/transformer_cnn_cf_mel/binary_tag/best.pth" in members
