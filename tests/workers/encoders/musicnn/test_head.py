"""The trained head that ships with musicnn: how vectors are computed, and that it beats ConSE."""

import json
from pathlib import Path

import numpy as np
import pytest

import workers.encoders
from schemas.errors import UserError
from schemas.tables import features_table
from schemas.training import TrainingConfig
from tests.conformance.models import fetch_models
from workers.encoders.joint.conse_part import BASIS, MEAN, SCALE
from workers.encoders.joint.encoder import read_trained_model, trained_registration
from workers.encoders.joint.files import read_weights, select_seed
from workers.encoders.joint.net import build_joint
from workers.encoders.musicnn.weights.files import read_tag_vectors
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
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 40_000_000
    card = (FOLDER / "README.md").read_text()
    for word in ("Data", "Licences", "Figures", "What fails", "make train-default"):
        assert word in card
    assert JOINT.spec.folder == JOINT.spec.base == "", "the spec travels: it names no folder of this machine"


def test_it_shares_everything_but_the_head_with_conse():
    assert features_table(JOINT.spec) == features_table(CONSE.spec)
    assert JOINT.spec.feature_version == CONSE.spec.feature_version
    assert JOINT.spec.tags_version == CONSE.spec.tags_version
    assert JOINT.spec.embedding_version != CONSE.spec.embedding_version


def test_a_vector_is_the_mean_of_three_heads_beside_conse(features):
    import torch

    trained = read_trained_model(FOLDER)
    weights = read_weights(FOLDER, trained)
    units = []
    for seed in range(3):
        of_seed = {name: torch.from_numpy(weight) for name, weight in select_seed(weights, seed).items()}
        with torch.inference_mode():
            head_vectors = build_joint(trained.cell, of_seed).audio(torch.from_numpy(features)).numpy()
        units.append(head_vectors / np.linalg.norm(head_vectors, axis=1, keepdims=True))
    heads = sum(units) / np.linalg.norm(sum(units), axis=1, keepdims=True)
    conse_vectors = CONSE.load(CONSE.spec, Path()).project(features).astype(np.float64)
    expected = np.hstack([heads, (conse_vectors @ weights[BASIS] - weights[MEAN]) * weights[SCALE]])
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    actual = JOINT.load(JOINT.spec, Path()).project(features)
    assert (actual.dtype, actual.shape) == (np.float32, (8, JOINT.spec.head.dim))
    np.testing.assert_allclose(actual, expected, atol=1e-5)


def test_conses_part_holds_every_tag():
    """Found so: fitted to rendered clips, it lost what only recordings have, such as "happy" and "rnb"."""
    basis = read_weights(FOLDER, read_trained_model(FOLDER))[BASIS]
    np.testing.assert_allclose(np.linalg.norm(read_tag_vectors() @ basis, axis=1), 1, atol=1e-4)


def test_it_names_what_conse_cannot(models, features):
    """Of eight plain solos, it names at least three, and more than ConSE."""

    def count_right(registration):
        texts = registration.load_text(registration.spec, models).embed_text(list(NAMES))
        return (
            (registration.load(registration.spec, models).project(features) @ texts.T).argmax(axis=1) == np.arange(8)
        ).sum()

    assert count_right(JOINT) >= 3
    assert count_right(JOINT) > count_right(CONSE)


def test_conse_needs_an_encoder_that_has_it():
    with pytest.raises(UserError, match="conse_weight has to be from 0 to below 1"):
        TrainingConfig(conse_weight=1.0)
    with pytest.raises(UserError, match="conse_weight needs text bert"):
        TrainingConfig(conse_weight=0.2, text="glove")
    with pytest.raises(UserError, match="conse_weight needs the encoder musicnn-conse"):
        trained_registration(FOLDER, read_trained_model(FOLDER), ENCODERS["musicnn"])


def test_a_head_of_an_earlier_tonelake_is_refused(tmp_path):
    """Its vectors were sums of the head's and of ConSE's: this tonelake cannot compute them."""
    record = json.loads((FOLDER / "model.json").read_text())
    (tmp_path / "model.json").write_text(json.dumps(record | {"cell": record["cell"] | {"share": 0.3}}))
    with pytest.raises(UserError, match=r"an earlier tonelake trained it.*train it again"):
        read_trained_model(tmp_path)
