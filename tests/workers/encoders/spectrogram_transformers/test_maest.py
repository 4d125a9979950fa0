"""MAEST's wrapper against the authors' net and spectrogram, which maest-infer computes in its own environment."""

import io

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from schemas.errors import UserError
from tests.conformance import small_maest as small
from tests.conformance.environments import run_in_environment
from tests.conformance.golden import signal
from workers.encoders.base.isolated import PipEnvironment
from workers.encoders.spectrogram_transformers.maest import STYLES, Maest
from workers.encoders.spectrogram_transformers.maest_net import MaestMel

AUTHORS = PipEnvironment("maest", ("maest-infer==0.2.0", "torchaudio==2.11.0"), without=("torchaudio/lib/*.so",))

_DIRECT = """
import sys, numpy as np, torch
from maest_infer import MAEST
from safetensors.torch import load_file
folder, dim, depth, heads = sys.argv[1], *map(int, sys.argv[2:])
net = MAEST(img_size=(96, 1876), stride=(10, 10), num_classes=519, embed_dim=dim, depth=depth, num_heads=heads,
            distilled=True).eval()
net.load_state_dict(load_file(folder + "/authors.safetensors"), strict=True)
windows = np.load(folder + "/windows.npz")
with torch.inference_mode():
    mel = torch.from_numpy(windows["mel"]).transpose(1, 2)[:, None]
    cls, dist = net.forward_features(mel)
    features = (cls + dist) / 2
    scores = net.head(features).sigmoid()
    net.init_melspectrogram()
    mel_of_package = net.melspectrogram(torch.from_numpy(windows["audio"]))
np.savez(sys.stdout.buffer, features=features, scores=scores, mel=mel_of_package, labels=np.array(net.labels))
"""


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def encoder(models):
    return Maest(small.build(models), models)


@pytest.fixture(scope="module")
def windows(encoder):
    """Two windows of audio, and our spectrograms of them."""
    samples = encoder.spec.backbone.windows.window
    noise = np.random.default_rng(2).normal(0, 0.3, samples)
    audio = np.stack([signal(samples, 16_000), noise]).astype(np.float32)
    return {"audio": audio, "mel": MaestMel()(torch.from_numpy(audio)).numpy()}


@pytest.fixture(scope="module")
def direct(windows, tmp_path_factory):
    folder = tmp_path_factory.mktemp("authors")
    save_file(small.build_state(), folder / "authors.safetensors")
    np.savez(folder / "windows.npz", **windows)
    return np.load(io.BytesIO(run_in_environment(AUTHORS, _DIRECT, folder, small.DIM, small.LAYERS, small.HEADS)))


def test_features_and_tags_are_the_authors(encoder, windows, direct):
    features = encoder.embed_windows(windows["audio"])
    np.testing.assert_allclose(features, direct["features"], atol=1e-4)
    np.testing.assert_allclose(encoder.tag(features), direct["scores"], atol=1e-4)


def test_the_spectrogram_is_the_authors_but_for_its_ends(windows, direct):
    """The package mirrors the audio at its ends; the authors' code on the hub pads with zeros, as we do."""
    assert windows["mel"].shape == (2, 1876, 96)
    np.testing.assert_allclose(windows["mel"][:, 1:-1], direct["mel"].transpose(0, 2, 1)[:, 1:-1], atol=1e-3)


def test_the_styles_are_the_authors(direct):
    assert tuple(direct["labels"].tolist()) == STYLES
    assert len(set(STYLES)) == 519


def test_a_vector_has_the_tags_of_its_features(encoder, windows):
    features = encoder.embed_windows(windows["audio"])
    np.testing.assert_allclose(encoder.tag(encoder.project(features)), encoder.tag(features), atol=1e-4)


def test_a_classifier_of_other_classes_is_refused(tmp_path):
    spec = small.build(tmp_path, small.CONFIG | {"id2label": dict(enumerate(STYLES[::-1]))})
    with pytest.raises(UserError, match="519 styles"):
        Maest(spec, tmp_path)
