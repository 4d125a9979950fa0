"""AST's wrapper against transformers' own model and extractor, on small random weights."""

import numpy as np
import pytest
import torch
from transformers import ASTFeatureExtractor, ASTForAudioClassification

from schemas.errors import UserError
from tests.conformance import small_spectrogram_transformer as small
from tests.conformance.golden import signal
from workers.encoders.spectrogram_transformers.audioset_tags import AUDIOSET_TAGS
from workers.encoders.spectrogram_transformers.encoder import AST, FRAME, HOP, SpectrogramTransformer
from workers.encoders.spectrogram_transformers.net import FilterBank
from workers.weights.cache import weights_folder

pytestmark = pytest.mark.filterwarnings("ignore:At least one mel filter")


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def encoder(models):
    return SpectrogramTransformer(small.build(models), models)


@pytest.fixture(scope="module")
def library(encoder, models):  # noqa: ARG001 - the encoder writes the folder
    return ASTForAudioClassification.from_pretrained(weights_folder(AST, models)).eval()


@pytest.fixture(scope="module")
def windows(encoder):
    samples = encoder.spec.backbone.windows.window
    chord, noise = signal(samples, 16_000), np.random.default_rng(2).normal(0, 0.3, samples)
    return np.stack([chord, noise, np.zeros(samples), 50 * chord]).astype(np.float32)


@pytest.fixture(scope="module")
def inputs(windows):
    """The input of the net, from the extractor without torchaudio."""
    extractor = ASTFeatureExtractor(**small.EXTRACTOR)
    return extractor(list(windows), sampling_rate=16_000, return_tensors="pt")["input_values"]


def test_the_filter_bank_is_the_extractors(windows, inputs):
    frames = FilterBank(ASTFeatureExtractor(**small.EXTRACTOR), FRAME, HOP)(torch.from_numpy(windows))
    assert frames.shape == (len(windows), 1024, 128)
    np.testing.assert_allclose(frames, inputs, atol=1e-5)


def test_the_last_frame_is_sound(windows, inputs):
    """The extractor scales the zeros of its padding too, to a known number."""
    padding = -small.EXTRACTOR["mean"] / (2 * small.EXTRACTOR["std"])
    assert ((inputs[:2, -1] - padding).abs() > 1e-3).all()
    shorter = ASTFeatureExtractor(**small.EXTRACTOR)(windows[0, :-1], sampling_rate=16_000)["input_values"][0]
    np.testing.assert_allclose(shorter[-1], padding, atol=1e-6)


def test_features_and_tags_are_the_librarys(encoder, library, windows, inputs):
    with torch.inference_mode():
        pooled = library.audio_spectrogram_transformer(inputs).pooler_output
        scores = library(inputs).logits.sigmoid()
    features = encoder.embed_windows(windows)
    np.testing.assert_allclose(features, pooled, atol=1e-5)
    np.testing.assert_allclose(encoder.tag(features), scores, atol=1e-5)


def test_a_vector_has_the_tags_of_its_features(encoder, windows):
    features = encoder.embed_windows(windows)
    np.testing.assert_allclose(encoder.tag(encoder.project(features)), encoder.tag(features), atol=1e-5)


def test_every_weight_finds_its_place(library):
    """The names are mapped by hand to the library's current names."""
    names = (
        (".encoder.layer.", ".layers."),
        ("attention.attention.query", "attention.q_proj"),
        ("attention.attention.key", "attention.k_proj"),
        ("attention.attention.value", "attention.v_proj"),
        ("attention.output.dense", "attention.o_proj"),
        ("intermediate.dense", "mlp.fc1"),
        ("output.dense", "mlp.fc2"),
    )
    loaded, written = library.state_dict(), small.build_state()
    assert len(loaded) == len(written)
    for old, tensor in written.items():
        new = old
        for old_part, new_part in names:
            new = new.replace(old_part, new_part)
        torch.testing.assert_close(loaded[new], tensor, msg=old)


def test_the_names_are_audiosets():
    assert len(AUDIOSET_TAGS) == len(set(AUDIOSET_TAGS)) == 527
    known = {0: "Speech", 137: "Music", 140: "Guitar", 235: "Jazz", 500: "Silence", 526: "Field recording"}
    assert {row: AUDIOSET_TAGS[row] for row in known} == known


@pytest.mark.parametrize("labels", [AUDIOSET_TAGS[::-1], AUDIOSET_TAGS[:-1]])
def test_a_classifier_of_other_classes_is_refused(tmp_path, labels):
    state = small.build_state()
    spec = small.build(
        tmp_path, small.CONFIG | {"id2label": dict(enumerate(labels))}, state | first_classes(state, len(labels))
    )
    with pytest.raises(UserError, match=r"not 'Speech'|527"):
        SpectrogramTransformer(spec, tmp_path)


def first_classes(state, classes):
    return {f"classifier.dense.{kind}": state[f"classifier.dense.{kind}"][:classes] for kind in ("weight", "bias")}
