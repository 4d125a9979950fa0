"""CLAP's wrapper against transformers' own model, extractor and tokenizer, on small random weights."""

import numpy as np
import pytest
import torch
from transformers import ClapConfig, ClapFeatureExtractor, ClapModel, PreTrainedTokenizerFast

from schemas.errors import UserError
from tests.conformance import small_clap
from tests.conformance.golden import signal
from tests.conformance.small_ttmr_pp import build_roberta_tokenizer
from workers.encoders.clap.encoder import DIM, MAX_TOKENS, MODELS, Clap, ClapTextTower
from workers.encoders.clap.net import ClapMel
from workers.weights.cache import weights_folder, write_manifest

NAME = "clap-music-speech"
TEXTS = ["a slow waltz", "", "heavy metal " * 40, "é 音楽"]


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def spec(models):
    return small_clap.SMALL[NAME](models)


@pytest.fixture(scope="module")
def library(spec, models):  # noqa: ARG001 - the folder is written for the spec
    return ClapModel.from_pretrained(weights_folder(MODELS[NAME], models)).eval()


@pytest.fixture(scope="module")
def extractor(spec, models):  # noqa: ARG001
    """The published extractor, but with the truncation of a net without fusion."""
    folder = weights_folder(MODELS[NAME], models)
    return ClapFeatureExtractor.from_pretrained(folder, truncation="rand_trunc")


@pytest.fixture(scope="module")
def windows():
    rng = np.random.default_rng(2)
    chord = signal(480_000, 48_000)
    tone = np.sin(2 * np.pi * 1000 / 48_000 * np.arange(480_000))
    return np.stack([chord, rng.normal(0, 0.3, 480_000), np.zeros(480_000), tone, 50 * chord]).astype(np.float32)


@pytest.fixture(scope="module")
def inputs(extractor, windows):
    return extractor(list(windows), sampling_rate=48_000, return_tensors="pt")


def test_the_mel_is_the_extractors(extractor, windows, inputs):
    mel = ClapMel(extractor)(torch.from_numpy(windows))
    assert mel.shape == (len(windows), 1, 1001, 64)
    np.testing.assert_allclose(mel, inputs["input_features"], atol=1e-3)  # decibels; the tone's quiet bands too


def test_a_vector_is_the_librarys(spec, models, library, windows, inputs):
    with torch.inference_mode():
        expected = library.get_audio_features(**inputs).pooler_output
    np.testing.assert_allclose(Clap(spec, models).embed_windows(windows), expected, atol=1e-5)


def test_a_texts_vector_is_the_librarys(spec, models, library):
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=build_roberta_tokenizer(), pad_token="<pad>")
    padded = tokenizer(TEXTS, padding="max_length", truncation=True, max_length=MAX_TOKENS, return_tensors="pt")
    assert padded["attention_mask"].sum(1).tolist()[2] == MAX_TOKENS
    with torch.inference_mode():
        expected = library.get_text_features(padded["input_ids"], padded["attention_mask"]).pooler_output
    np.testing.assert_allclose(ClapTextTower(spec, models).embed_text(TEXTS), expected, atol=1e-5)


def test_every_weight_finds_its_place(library):
    written = small_clap.build_state(list(MODELS).index(NAME))
    loaded = library.state_dict()
    assert loaded.keys() - written.keys() <= {"text_model.embeddings.token_type_ids"}
    for name, tensor in written.items():
        torch.testing.assert_close(loaded[name], tensor, msg=name)


def test_the_published_size_has_the_same_names():
    """HTSAT-base and roberta-base: audio hidden 1024, projected to 512."""
    audio = {"patch_embeds_hidden_size": 128, "depths": (2, 2, 12, 2), "hidden_size": 1024}
    with torch.device("meta"):
        full = ClapModel(ClapConfig(audio_config=audio)).state_dict()
    assert full["audio_projection.linear1.weight"].shape == (DIM, 1024)
    assert small_clap.clap_shapes().keys() < full.keys()


def test_missing_weights_are_refused(spec, tmp_path):
    rewrite(tmp_path, lambda state: state.pop("audio_projection.linear1.bias"))
    with pytest.raises(UserError, match=r"lack 1 weights of .*, for example audio_projection.linear1.bias"):
        Clap(spec, tmp_path)


def test_a_text_half_with_one_vector_for_all_texts_is_refused(spec, tmp_path):
    """As published for clap-music: small weights, and a bias that is the same for all texts."""
    rewrite(tmp_path, lambda state: state["text_projection.linear2.weight"].mul_(0.01))
    Clap(spec, tmp_path)
    with pytest.raises(UserError, match="every text the same vector"):
        ClapTextTower(spec, tmp_path)


def rewrite(models, change):
    """Write the small weights with a change."""
    small_clap.SMALL[NAME](models)
    folder = weights_folder(MODELS[NAME], models)
    state = torch.load(folder / "pytorch_model.bin", weights_only=True)
    change(state)
    torch.save(state, folder / "pytorch_model.bin")
    write_manifest(folder)
