"""The trained head that ships with musicnn: how vectors are computed, and that it beats ConSE."""

from pathlib import Path

import numpy as np
import pytest

import workers.encoders
from schemas.errors import UserError
from schemas.tables import features_table
from schemas.training import TrainingConfig
from tests.conformance.models import fetch_models
from workers.encoders.joint.encoder import read_trained_model, trained_registration
from workers.encoders.joint.files import read_weights
from workers.encoders.joint.net import build_joint
from workers.encoders.registry import ENCODERS
from workers.synthetic_music.demo.catalogue import compose_pieces
from workers.synthetic_music.demo.synthesis import RATE, synthesise

FOLDER = Path(workers.encoders.__path__[0], "musicnn", "head")
JOINT, CONSE = ENCODERS["musicnn"], ENCODERS["musicnn-conse"]
NAMES = ("piano", "church organ", "flute", "distortion guitar", "drum kit", "violin", "trumpet", "choir")


@pytest.fixture(scope="module")
def models():
    return fetch_models(*JOINT.weights)


@pytest.fixture(scope="module")
def features():
    """Features of a 9 s solo of each of NAMES, by another synthesizer and soundfont than the training's."""
    import soxr

    encoder = CONSE.load(CONSE.spec, Path())
    solos = {piece.tags[0]: piece for piece in compose_pieces(60, 77)}
    rows = []
    for name in NAMES:
        sound = soxr.resample(synthesise(solos[name].song.play(9), 9).mean(axis=1), RATE, 16_000).astype(np.float32)
        windows = CONSE.spec.backbone.windows
        cuts = [sound[start : start + windows.window] for start in range(0, len(sound) - windows.window, windows.hop)]
        rows.append(encoder.embed_windows(np.stack(cuts)).mean(axis=0))
    return np.stack(rows).astype(np.float16).astype(np.float32)


def test_it_is_small_and_documented():
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 8_000_000
    card = (FOLDER / "README.md").read_text()
    for word in ("Data", "Licences", "Figures", "What fails", "make train-default"):
        assert word in card
    assert JOINT.spec.folder == JOINT.spec.base == "", "the spec travels: it names no folder of this machine"


def test_it_shares_everything_but_the_head_with_conse():
    assert features_table(JOINT.spec) == features_table(CONSE.spec)
    assert JOINT.spec.feature_version == CONSE.spec.feature_version
    assert JOINT.spec.tags_version == CONSE.spec.tags_version
    assert JOINT.spec.embedding_version != CONSE.spec.embedding_version


def test_a_vector_is_the_trained_one_and_a_share_of_conse(features):
    import torch

    trained = read_trained_model(FOLDER)
    weights = {name: torch.from_numpy(weight) for name, weight in read_weights(FOLDER, trained).items()}
    joint, conse_weight = build_joint(trained.cell, weights), trained.cell.share
    assert 0 < conse_weight < 1
    with torch.inference_mode():
        head_vectors = torch.nn.functional.normalize(joint.audio(torch.from_numpy(features))).numpy()
    mean = joint.text.mean.numpy().astype(np.float64)
    conse_vectors = CONSE.load(CONSE.spec, Path()).project(features)
    conse_vectors = conse_vectors - (conse_vectors @ mean)[:, None] * mean / (mean @ mean)
    conse_vectors /= np.linalg.norm(conse_vectors, axis=1, keepdims=True)
    expected = (1 - conse_weight) * head_vectors + conse_weight * conse_vectors
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    actual = JOINT.load(JOINT.spec, Path()).project(features)
    assert actual.dtype == np.float32
    np.testing.assert_allclose(actual, expected, atol=1e-5)


def test_it_names_what_conse_cannot(models, features):
    """Of eight plain solos, it names at least three, and more than ConSE."""

    def count_right(registration):
        texts = registration.load_text(registration.spec, models).embed_text(list(NAMES))
        return (
            (registration.load(registration.spec, models).project(features) @ texts.T).argmax(axis=1) == np.arange(8)
        ).sum()

    assert count_right(JOINT) >= 3
    assert count_right(JOINT) > count_right(CONSE)


def test_a_share_needs_vectors_that_are_sums_of_texts():
    with pytest.raises(UserError, match="conse_weight has to be from 0 to below 1"):
        TrainingConfig(share=1.0, text_projection="none")
    with pytest.raises(UserError, match="conse_weight needs text bert"):
        TrainingConfig(share=0.2)
    with pytest.raises(UserError, match="conse_weight needs the encoder musicnn-conse"):
        trained_registration(FOLDER, read_trained_model(FOLDER), ENCODERS["musicnn"])
