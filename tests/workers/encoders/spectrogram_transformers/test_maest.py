"""MAEST's wrapper against the authors' own net and spectrogram, run by maest-infer in an environment of its own."""

import io

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from schemas.errors import UserError
from tests.conformance import small_maest as small
from tests.conformance.environments import inside
from tests.conformance.golden import signal
from workers.encoders.base.isolated import Environment
from workers.encoders.spectrogram_transformers.maest import STYLES, Maest
from workers.encoders.spectrogram_transformers.maest_net import MelFrames

AUTHORS = Environment("maest", ("maest-infer==0.2.0", "torchaudio==2.11.0"), without=("torchaudio/lib/*.so",))

_DIRECT = """
import sys, numpy as np, torch
from maest_infer import MAEST
from safetensors.torch import load_file
folder, dim, depth, heads = sys.argv[1], *map(int, sys.argv[2:])
net = MAEST(img_size=(96, 1876), stride=(10, 10), num_classes=519, embed_dim=dim, depth=depth, num_heads=heads,
            distilled=True).eval()
net.load_state_dict(load_file(folder + "/authors.safetensors"), strict=True)
heard = np.load(folder + "/windows.npz")
with torch.inference_mode():
    mel = torch.from_numpy(heard["mel"]).transpose(1, 2)[:, None]
    cls, dist = net.forward_features(mel)
    features = (cls + dist) / 2
    scores = net.head(features).sigmoid()
    net.init_melspectrogram()
    theirs = net.melspectrogram(torch.from_numpy(heard["audio"]))
np.savez(sys.stdout.buffer, features=features, scores=scores, mel=theirs, labels=np.array(net.labels))
"""


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def encoder(models):
    return Maest(small.build(models), models)


@pytest.fixture(scope="module")
def heard(encoder):
    """Two windows of audio, and their spectrograms here."""
    samples = encoder.spec.backbone.windows.window
    noise = np.random.default_rng(2).normal(0, 0.3, samples)
    audio = np.stack([signal(samples, 16_000), noise]).astype(np.float32)
    return {"audio": audio, "mel": MelFrames()(torch.from_numpy(audio)).numpy()}


@pytest.fixture(scope="module")
def direct(heard, tmp_path_factory):
    folder = tmp_path_factory.mktemp("authors")
    save_file(small.state(), folder / "authors.safetensors")
    np.savez(folder / "windows.npz", **heard)
    return np.load(io.BytesIO(inside(AUTHORS, _DIRECT, folder, small.DIM, small.LAYERS, small.HEADS)))


def test_features_and_tags_are_the_authors(encoder, heard, direct):
    features = encoder.embed_windows(heard["audio"])
    np.testing.assert_allclose(features, direct["features"], atol=1e-4)
    np.testing.assert_allclose(encoder.tag(features), direct["scores"], atol=1e-4)


def test_the_spectrogram_is_the_authors_but_for_its_ends(heard, direct):
    """Theirs mirrors the audio there; what they put beside the weights on the hub pads with zeros, as here."""
    assert heard["mel"].shape == (2, 1876, 96)
    np.testing.assert_allclose(heard["mel"][:, 1:-1], direct["mel"].transpose(0, 2, 1)[:, 1:-1], atol=1e-3)


def test_the_styles_are_the_authors(direct):
    assert tuple(direct["labels"].tolist()) == STYLES
    assert len(set(STYLES)) == 519


def test_a_vector_has_the_tags_of_its_features(encoder, heard):
    features = encoder.embed_windows(heard["audio"])
    np.testing.assert_allclose(encoder.tag(encoder.project(features)), encoder.tag(features), atol=1e-4)


def test_a_classifier_of_other_classes_is_refused(tmp_path):
    spec = small.build(tmp_path, small.CONFIG | {"id2label": dict(enumerate(STYLES[::-1]))})
    with pytest.raises(UserError, match="519 styles"):
        Maest(spec, tmp_path)
