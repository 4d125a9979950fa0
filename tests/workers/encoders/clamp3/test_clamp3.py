"""CLaMP 3's towers against transformers' nets, with inputs padded and masked as in the authors' scripts."""

import numpy as np
import pytest
import torch
from transformers import (
    BertConfig,
    BertModel,
    HubertModel,
    PreTrainedTokenizerFast,
    Wav2Vec2FeatureExtractor,
    XLMRobertaConfig,
    XLMRobertaModel,
)

from tests.conformance import small_clamp3 as small
from tests.conformance import small_muq, small_ssl
from tests.conformance.golden import signal
from workers.encoders.clamp3.encoder import MERT_95M, MERT_WINDOW, WINDOW, Clamp3, Clamp3TextTower
from workers.encoders.ttmr.net import strip_prefix
from workers.weights.cache import weights_folder


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def spec(models):
    return small.build(models)


def average_pooling(hidden, mask):
    """The authors' avg_pooling."""
    return (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)


@torch.inference_mode()
def embed_as_authors(audio: np.ndarray, models) -> torch.Tensor:
    """Compute the global vector, before normalisation, of a track whose length is a multiple of five seconds."""
    extractor = Wav2Vec2FeatureExtractor(sampling_rate=24_000, do_normalize=True)
    samples = extractor(audio, sampling_rate=24_000, return_tensors="pt").input_values[0]
    mert = HubertModel.from_pretrained(weights_folder(MERT_95M, models), local_files_only=True).eval()
    rows = []
    for start in range(0, len(samples), MERT_WINDOW):
        states = mert(samples[None, start : start + MERT_WINDOW], output_hidden_states=True).hidden_states
        rows.append(torch.stack(states).mean(-2).mean(0))
    rows = torch.cat([torch.zeros(1, small_ssl.DIM), *rows, torch.zeros(1, small_ssl.DIM)])
    mask = torch.zeros(1, small.ROWS)
    mask[:, : len(rows)] = 1
    rows = torch.cat([rows, torch.zeros(small.ROWS - len(rows), small_ssl.DIM)])[None]
    config = BertConfig(
        vocab_size=1,
        hidden_size=small_ssl.DIM,
        num_hidden_layers=small.LAYERS,
        num_attention_heads=1,
        intermediate_size=4 * small_ssl.DIM,
        max_position_embeddings=small.ROWS,
    )
    bert = BertModel(config).eval()
    bert.load_state_dict(strip_prefix(small.build_state(), "audio_model."))
    weights = strip_prefix(small.build_state(), "audio_proj.")
    hidden = bert(inputs_embeds=rows, attention_mask=mask).last_hidden_state
    return torch.nn.functional.linear(average_pooling(hidden, mask), weights["weight"], weights["bias"])


def test_a_clip_of_one_window_is_the_authors(spec, models):
    audio = signal(WINDOW, 24_000) + 0.05
    expected = embed_as_authors(audio, models)
    np.testing.assert_allclose(Clamp3(spec, models).embed_windows(audio[None]), expected, atol=1e-4)


def test_levels_do_not_count(spec, models):
    audio = signal(WINDOW, 24_000)
    vector, quieter = Clamp3(spec, models).embed_windows(np.stack([audio, 0.1 * audio + 0.2]).astype(np.float32))
    np.testing.assert_allclose(vector, quieter, atol=1e-3)


@torch.inference_mode()
def test_texts_are_the_authors(spec, models):
    texts = ["banjo", "a slow waltz for strings, recorded in a church", "é 音楽"]
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=small_muq.build_tokenizer(), pad_token="<pad>")
    tokens = tokenizer(texts, padding="max_length", max_length=128, return_tensors="pt")
    config = XLMRobertaConfig(
        vocab_size=small_muq.build_tokenizer().get_vocab_size(),
        hidden_size=small.TEXT_DIM,
        num_hidden_layers=small.LAYERS,
        num_attention_heads=1,
        intermediate_size=4 * small.TEXT_DIM,
        max_position_embeddings=128 + 2,
        type_vocab_size=1,
        layer_norm_eps=1e-5,
    )
    roberta = XLMRobertaModel(config).eval()
    roberta.load_state_dict(strip_prefix(small.build_state(), "text_model."))
    weights = strip_prefix(small.build_state(), "text_proj.")
    hidden = roberta(**{name: tokens[name] for name in ("input_ids", "attention_mask")}).last_hidden_state
    expected = torch.nn.functional.linear(
        average_pooling(hidden, tokens["attention_mask"]), weights["weight"], weights["bias"]
    )
    expected = torch.nn.functional.normalize(expected)
    np.testing.assert_allclose(Clamp3TextTower(spec, models).embed_text(texts), expected, atol=1e-5)


def test_a_long_text_is_cut(spec, models):
    tower = Clamp3TextTower(spec, models)
    np.testing.assert_array_equal(tower.embed_text(["a " * 126]), tower.embed_text(["a " * 500]))
