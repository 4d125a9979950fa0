"""MAEST's wrapper against the recorded outputs of the authors' package maest-infer."""

import numpy as np
import pytest
import torch

from schemas.errors import UserError
from tests.conformance import small_maest as small
from tests.conformance.packages import MAEST_FRAMES, read_record, sample_windows
from workers.encoders.spectrogram_transformers.maest import STYLES, Maest
from workers.encoders.spectrogram_transformers.maest_net import MaestMel

PACKAGE = read_record("maest")


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def encoder(models):
    return Maest(small.build(models), models)


@pytest.fixture(scope="module")
def windows(encoder):
    return sample_windows(encoder.spec)


def test_features_and_tags_are_the_authors(encoder, windows):
    features = encoder.embed_windows(windows)
    np.testing.assert_allclose(features, PACKAGE["features"], atol=1e-4)
    np.testing.assert_allclose(encoder.tag(features), PACKAGE["scores"], atol=1e-4)


def test_the_spectrogram_is_the_authors_but_for_its_ends(windows):
    """The package mirrors the audio at its ends; the authors' code on the hub pads with zeros, as we do."""
    mel = MaestMel()(torch.from_numpy(windows)).numpy()
    assert mel.shape == (3, 1876, 96)
    np.testing.assert_allclose(mel[:, MAEST_FRAMES], PACKAGE["mel"].transpose(0, 2, 1), atol=1e-3)


def test_the_styles_are_the_authors():
    assert tuple(PACKAGE["styles"].tolist()) == STYLES
    assert len(set(STYLES)) == 519


def test_a_vector_has_the_tags_of_its_features(encoder, windows):
    features = encoder.embed_windows(windows)
    np.testing.assert_allclose(encoder.tag(encoder.project(features)), encoder.tag(features), atol=1e-4)


def test_a_classifier_of_other_classes_is_refused(tmp_path):
    spec = small.build(tmp_path, small.CONFIG | {"id2label": dict(enumerate(STYLES[::-1]))})
    with pytest.raises(UserError, match="519 styles"):
        Maest(spec, tmp_path)
