"""What every registered encoder must do."""

import pickle
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from schemas.encoders import HALF, EncoderSpec
from schemas.errors import UserError
from schemas.settings import Settings
from tests.conformance.golden import computed, golden_file, signal
from tests.conformance.models import models_with
from tests.conformance.small import SMALL, spec_and_models
from workers.encoders.registry import ENCODERS, described, encoder_entry, load_encoder, runnable

TOLERANCE = 1e-5  # 1 - cosine, for float32


def away(first, second):
    """Largest 1 - cosine between rows."""
    first, second = np.atleast_2d(first).astype(float), np.atleast_2d(second).astype(float)
    norms = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    return float((1 - (first * second).sum(1) / norms).max(initial=0))


@pytest.fixture(scope="module", params=ENCODERS)
def entry(request):
    return ENCODERS[request.param]


@pytest.fixture(scope="session")
def small_models(tmp_path_factory):
    return tmp_path_factory.mktemp("small-models")


@pytest.fixture(scope="module")
def prepared(entry, small_models):
    """The spec to load and the folder of its weights."""
    name = entry.spec.name
    return spec_and_models(name, Path() if name in SMALL else models_with(*entry.weights), small_models)


@pytest.fixture(scope="module")
def encoder(entry, prepared):
    return entry.load(*prepared)


@pytest.fixture(scope="module")
def tower(entry, prepared):
    if entry.load_text is None:
        pytest.skip("no text tower is declared")
    return entry.load_text(*prepared)


@pytest.fixture(scope="module")
def windows(prepared):
    """A chord, two kinds of noise, silence and something far too loud [5, window]."""
    spec = prepared[0].backbone.windows
    rng = np.random.default_rng(1)
    noise = rng.standard_normal((2, spec.window)) * [[0.3], [0.001]]
    chord = signal(spec.window, spec.sample_rate)
    return np.stack([chord, *noise, np.zeros(spec.window), chord * 50]).astype(np.float32)


def test_shapes_and_types(encoder, windows):
    spec = encoder.spec
    features = encoder.embed_windows(windows)
    vectors = encoder.project(features)
    assert features.shape == (len(windows), spec.backbone.dim)
    assert vectors.shape == (len(windows), spec.head.dim)
    assert features.dtype == vectors.dtype == np.float32
    assert np.isfinite(features).all()
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_tags_are_scores(encoder, windows):
    if encoder.spec.tagger is None:
        pytest.skip("no tagger is declared")
    scores = encoder.tag(encoder.embed_windows(windows))
    assert scores.shape == (len(windows), len(encoder.spec.tagger.vocabulary))
    assert scores.dtype == np.float32
    assert ((scores >= 0) & (scores <= 1)).all()


def test_an_empty_batch(encoder, windows):
    features = encoder.embed_windows(windows[:0])
    assert features.shape == (0, encoder.spec.backbone.dim)
    assert encoder.project(features).shape == (0, encoder.spec.head.dim)
    if encoder.spec.tagger is not None:
        assert encoder.tag(features).shape == (0, len(encoder.spec.tagger.vocabulary))


def test_batch_size_does_not_show(encoder, windows, monkeypatch):
    alone = np.concatenate([encoder.embed_windows(window[None]) for window in windows])
    monkeypatch.setattr("workers.encoders.base.inference.batch_size", lambda _: len(windows))  # as on a GPU
    together = encoder.embed_windows(windows)
    monkeypatch.undo()
    assert away(together, alone) <= TOLERANCE
    assert away(encoder.project(together), np.concatenate([encoder.project(row[None]) for row in alone])) <= TOLERANCE


def test_mixed_precision_is_another_version_nearby(entry, prepared, encoder, windows, monkeypatch):
    spec, models = prepared
    if not entry.on_gpu:
        with pytest.raises(UserError, match="float32 only"):
            encoder_entry(spec.name + HALF)
        return
    half = encoder_entry(spec.name + HALF)
    assert half.spec.embedding_version != entry.spec.embedding_version
    nearby = half.load(spec.in_half(), models)
    there = nearby.embed_windows(windows)
    assert there.dtype == np.float32
    assert 0 < away(there, encoder.embed_windows(windows)) < 0.05
    monkeypatch.setattr("workers.encoders.base.inference.batch_size", lambda _: len(windows))
    assert away(nearby.embed_windows(windows), there) < 0.001


def test_twice_the_same(encoder, windows):
    np.testing.assert_array_equal(encoder.embed_windows(windows), encoder.embed_windows(windows))


def test_stored_features_give_the_same_vector(encoder, windows):
    features = encoder.embed_windows(windows)
    if not encoder.spec.stores_features:
        assert away(encoder.project(features), features) <= TOLERANCE
        return
    stored = features.astype(np.float16).astype(np.float32)
    np.testing.assert_array_equal(encoder.project(stored), encoder.project(features))
    if encoder.spec.tagger is not None:
        np.testing.assert_array_equal(encoder.tag(stored), encoder.tag(features))


def test_sounds_differ(encoder, windows):
    vectors = encoder.project(encoder.embed_windows(windows))
    assert away(vectors[0], vectors[1]) > 100 * TOLERANCE


def test_the_golden_vector(entry, encoder):
    golden = np.load(golden_file(entry.spec.name))
    again = f"run python -m tests.conformance.golden {entry.spec.name} and commit what it writes"
    assert str(golden["feature_version"]) == entry.spec.feature_version, again
    assert str(golden["embedding_version"]) == entry.spec.embedding_version, again
    for name, numbers in computed(encoder).items():
        assert away(numbers, golden[name]) <= TOLERANCE, f"{name} moved: raise the spec's revision, then {again}"


@pytest.fixture(scope="session")
def elsewhere(tmp_path_factory):
    """By name of an encoder, what another process computes: of all small likenesses at once, they share its start."""

    @cache
    def run(names):
        folder = tmp_path_factory.mktemp("elsewhere")
        command = [sys.executable, "-m", "tests.conformance.golden", *names, "--folder", str(folder)]
        subprocess.run(command, capture_output=True, check=True)
        return folder

    return lambda name: np.load(golden_file(name, run(tuple(SMALL) if name in SMALL else (name,))))


def test_another_process_computes_the_same(entry, encoder, elsewhere):
    assert away(elsewhere(entry.spec.name)["vector"], computed(encoder)["vector"]) <= TOLERANCE


def test_the_spec_travels(entry):
    spec = entry.spec
    assert pickle.loads(pickle.dumps(spec)) == spec
    assert EncoderSpec.from_json(spec.to_json()) == spec
    assert EncoderSpec.from_json(spec.to_json()).embedding_version == spec.embedding_version


def test_the_spec_is_complete(entry):
    spec = entry.spec
    windows = spec.backbone.windows
    assert spec.licence
    assert spec.citation
    assert spec.name == spec.name.lower()
    assert min(windows.sample_rate, windows.window, windows.hop, spec.backbone.dim, spec.head.dim) > 0
    assert bool(spec.head.text_tower) == (entry.load_text is not None)


def test_text_lands_beside_the_vectors(tower, prepared):
    texts = ["banjo", "a slow waltz for strings, recorded in a church", "", "é 音楽"]
    vectors = tower.embed_text(texts)
    assert vectors.shape == (4, prepared[0].head.dim)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert away(vectors, np.concatenate([tower.embed_text([text]) for text in texts])) <= TOLERANCE
    assert tower.embed_text([]).shape == (0, prepared[0].head.dim)


def test_names_are_keys():
    assert all(name == entry.spec.name for name, entry in ENCODERS.items())
    assert [row["name"] for row in described()] == list(ENCODERS)


def test_an_unknown_name_is_one_line():
    with pytest.raises(UserError, match=r"fake.*musicnn"):
        encoder_entry("nope")


def test_an_unproven_encoder_needs_leave():
    unproven = [name for name, entry in ENCODERS.items() if entry.unproven]
    for name in unproven:
        with pytest.raises(UserError, match=f"{name} is unproven.*--allow-unproven"):
            runnable(name, Settings())
        assert runnable(name, Settings(allow_unproven=True)) is ENCODERS[name]
    assert [row["name"] for row in described() if row["unproven"]] == unproven
    assert unproven


def test_another_version_is_refused(entry, tmp_path):
    spec = EncoderSpec.from_json(entry.spec.to_json().replace('"revision": 1', '"revision": 99'))
    with pytest.raises(UserError, match=entry.spec.embedding_version):
        load_encoder(spec, tmp_path)


def test_fewer_windows_are_the_same_encoder(entry, prepared):
    few = prepared[0].limited(3)
    assert entry.load(few, prepared[1]).spec == few


def test_the_registry_is_light():
    heavy = "{'torch', 'tokenizers', 'transformers', 'safetensors'}"
    code = f"import sys, workers.encoders.registry; print(sorted({heavy} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_workers_on_audio_load_no_text_tower():
    models = models_with(*ENCODERS["musicnn"].weights)
    code = (
        "import sys; from pathlib import Path; from workers.encoders.registry import ENCODERS, load_encoder\n"
        f"load_encoder(ENCODERS['musicnn'].spec, Path({str(models)!r}))\n"
        "print(sorted({'tokenizers', 'transformers', 'workers.text.minilm'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
