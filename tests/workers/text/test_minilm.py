"""MiniLM in numpy, against transformers' BERT and against the torch net of trainings."""

import os
import subprocess
import sys

import numpy as np
import pytest

from tests.cli import ROOT, environment
from tests.conformance.models import fetch_models
from workers.text.minilm import DIM, MAX_TOKENS, MiniLM
from workers.text.minilm_weights import MINILM
from workers.weights.cache import weights_folder

TEXTS = [
    "banjo",
    "slow jazz with a muted trumpet",
    "Aggressive DEATH METAL, blast beats and growling; recorded live!",
    "é à ü 音楽 Ελληνικά — ♫",
    "",
    "a very long description " * 100,
]


@pytest.fixture(scope="module")
def models():
    return fetch_models(MINILM)


@pytest.fixture(scope="module")
def tower(models):
    return MiniLM(models)


def test_equals_transformers(tower, models):
    os.environ["HF_HUB_OFFLINE"] = "1"
    import torch
    from safetensors.torch import load_file
    from tokenizers import Tokenizer
    from transformers import BertConfig, BertModel

    folder = weights_folder(MINILM, models)
    config = BertConfig(hidden_size=DIM, num_hidden_layers=6, num_attention_heads=12, intermediate_size=1536)
    bert = BertModel(config).eval()
    assert not bert.load_state_dict(load_file(folder / "model.safetensors"), strict=False).missing_keys
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(MAX_TOKENS)
    with torch.inference_mode():
        rows = [bert(torch.tensor([tokenizer.encode(text).ids])).last_hidden_state.mean(1) for text in TEXTS]
    expected = torch.nn.functional.normalize(torch.cat(rows)).numpy()
    np.testing.assert_allclose(tower.embed_text(TEXTS), expected, atol=1e-5, rtol=0)


def test_padding_does_not_matter(tower):
    one_by_one = np.concatenate([tower.embed_text([text]) for text in TEXTS])
    np.testing.assert_allclose(tower.embed_text(TEXTS), one_by_one, atol=1e-6, rtol=0)


def test_many_texts_are_batched(tower):
    texts = [f"song number {number}" for number in range(150)]
    vectors = tower.embed_text(texts)
    assert vectors.shape == (150, DIM)
    np.testing.assert_allclose(vectors[-1:], tower.embed_text(texts[-1:]), atol=1e-6, rtol=0)


def test_only_the_first_tokens_count(tower):
    long = "word " * MAX_TOKENS
    np.testing.assert_allclose(tower.embed_text([long]), tower.embed_text([long + "other"]), atol=1e-6, rtol=0)


def test_similar_texts_are_near(tower):
    banjo, bluegrass, taxes = tower.embed_text(["banjo", "bluegrass guitar picking", "tax return"])
    assert banjo @ bluegrass > 0.3 > banjo @ taxes


def test_equals_the_net_that_trainings_change(tower, models):
    import torch

    from workers.text.minilm_net import MiniLMNet

    with torch.inference_mode():
        expected = MiniLMNet(models)(TEXTS).numpy()
    np.testing.assert_allclose(tower.mean_states(TEXTS), expected, atol=2e-6, rtol=0)
    unit_rows = expected / np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(tower.embed_text(TEXTS), unit_rows, atol=1e-6, rtol=0)


def test_torchs_net_is_built_without_torchs_compiler(models):
    """The import of torch._dynamo takes longer than the rest."""
    code = (
        "import sys; from pathlib import Path; from workers.text.minilm_net import MiniLMNet;"
        f"MiniLMNet(Path({str(models)!r}))(['banjo']); print('torch._dynamo' in sys.modules)"
    )
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False"
