"""The port of musicnn against outputs of the original TensorFlow graph, and its encoder."""

from pathlib import Path

import numpy as np
import pytest

from tests.conformance.models import fetch_models
from workers.encoders.musicnn.conse import TOP, combine_tag_vectors
from workers.encoders.musicnn.encoder import CONSE, MusicnnEncoder, MusicnnTextTower
from workers.encoders.musicnn.net import NETS, MusicnnNet
from workers.encoders.musicnn.tags import MSD_TAGS, MTT_TAGS, VOCABULARY, merge_probabilities, normalise_tag
from workers.encoders.musicnn.weights.files import read_nets
from workers.text.minilm_weights import MINILM

ROOT = Path(__file__).parents[4]
RANDOM_PATCHES = ROOT / "tests/data/musicnn_random_patches.npz"
MUSIC_PATCHES = ROOT / "tests/data/musicnn_music_patches.npz"  # tests/data/README.md lists the music
REFERENCE = ROOT.parent / "shared/data/musicnn_reference.npz"

# Largest differences between float32 sums in different orders; max_pool's numbers are up to 104.
BOUNDS = {"mean_pool": 5e-5, "max_pool": 6e-4, "penultimate": 1e-4, "probabilities": 1e-5}


@pytest.fixture(scope="module")
def net():
    return MusicnnNet(read_nets())


@pytest.fixture(scope="module")
def encoder():
    return MusicnnEncoder(CONSE, Path())


@pytest.mark.parametrize("file", [RANDOM_PATCHES, MUSIC_PATCHES, REFERENCE], ids=["random", "music", "more music"])
def test_equals_the_original_graph(net, file):
    if not file.is_file():
        pytest.skip(f"{file} is not here: the patches of real music are not part of the repository")
    reference = np.load(file)
    rows = np.concatenate([net.from_log_mel(patch) for patch in reference["log_mel_patches"]])
    for name, features in zip(NETS, np.split(rows, 2, axis=1), strict=True):
        layers = np.split(features, [753, 1506, 1706], axis=1)
        for (layer, bound), actual in zip(BOUNDS.items(), layers, strict=True):
            np.testing.assert_allclose(actual, expected(reference, name, layer), atol=bound, rtol=0, err_msg=layer)


def expected(reference, net, layer):
    if f"{net}__{layer}" in reference:
        return reference[f"{net}__{layer}"]
    return 1 / (1 + np.exp(-reference[f"{net}__logits"].astype(np.float64)))


def test_loud_music_gives_tags(encoder):
    """The original package returns NaN here: its float16 overflows."""
    seconds = np.arange(48_128) / 16_000
    loud = np.sign(np.sin(2 * np.pi * 110 * seconds) + np.sin(2 * np.pi * 55 * seconds)).astype(np.float32)
    features = encoder.embed_windows(np.stack([loud, loud * 30]))
    assert np.isfinite(features).all()
    assert np.isfinite(encoder.tag(features)).all()
    np.testing.assert_allclose(np.linalg.norm(encoder.project(features), axis=1), 1, atol=1e-5)


def test_the_window_is_187_frames_and_the_hop_keeps_the_grid():
    windows = CONSE.backbone.windows
    assert (windows.window, windows.hop, windows.sample_rate) == (48_128, 47_872, 16_000)
    assert windows.hop % 256 == 0


def test_vocabulary_merges_equal_names_by_the_larger():
    assert len(MTT_TAGS) == len(MSD_TAGS) == 50
    assert len(VOCABULARY) == len({*map(normalise_tag, MTT_TAGS), *map(normalise_tag, MSD_TAGS)}) == 92
    assert {"hip hop", "mellow", "guitar", "00s"} <= set(VOCABULARY)
    probabilities = np.zeros((1, 100), np.float32)
    probabilities[0, MTT_TAGS.index("rock")] = 0.2
    probabilities[0, 50 + MSD_TAGS.index("rock")] = 0.7
    probabilities[0, 50 + MSD_TAGS.index("happy")] = 0.1
    scores = dict(zip(VOCABULARY, merge_probabilities(probabilities)[0].tolist(), strict=True))
    assert {name: score for name, score in scores.items() if score} == pytest.approx({"rock": 0.7, "happy": 0.1})


def test_conse_adds_the_likeliest_tags():
    tags = np.eye(TOP + 2, dtype=np.float32)
    probabilities = np.linspace(1, 0.1, TOP + 2, dtype=np.float32)[None]
    (vector,) = combine_tag_vectors(probabilities, tags)
    assert np.count_nonzero(vector) == TOP
    np.testing.assert_allclose(vector[:TOP] / vector[0], probabilities[0, :TOP], rtol=1e-5)
    assert probabilities.all(), "the argument is not changed"


def test_a_certain_tag_is_nearest_to_its_name(encoder):
    tower = MusicnnTextTower(CONSE, fetch_models(MINILM))
    for name in ("harpsichord", "heavy metal", "jazz"):
        features = np.full((1, CONSE.backbone.dim), 0.01, np.float32)
        features[0, 1706 + MTT_TAGS.index("solo")] = 0.02
        net, tags = (0, MTT_TAGS) if name in MTT_TAGS else (1756, MSD_TAGS)
        features[0, net + 1706 + tags.index(name)] = 0.95
        scores = tower.embed_text(list(VOCABULARY)) @ encoder.project(features)[0]
        assert VOCABULARY[int(scores.argmax())] == name
