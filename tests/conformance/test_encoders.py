"""The conformance suite: every registered encoder must pass."""

import pickle
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from schemas.encoders import BFLOAT16_SUFFIX, EncoderSpec
from schemas.errors import UserError
from schemas.settings import Settings
from tests.conformance.golden import compute, golden_file, signal
from tests.conformance.models import fetch_models
from tests.conformance.small import SMALL, spec_and_models
from workers.encoders.registry import ENCODERS, describe_encoders, find_by_name, load_encoder, require_runnable

TOLERANCE = 1e-5  # 1 - cosine, for float32


def max_cosine_distance(first, second):
    """Return the largest 1 - cosine between rows."""
    first, second = np.atleast_2d(first).astype(float), np.atleast_2d(second).astype(float)
    norms = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    return float((1 - (first * second).sum(1) / norms).max(initial=0))


@pytest.fixture(scope="module", params=ENCODERS)
def registration(request):
    return ENCODERS[request.param]


@pytest.fixture(scope="session")
def small_models(tmp_path_factory):
    return tmp_path_factory.mktemp("small-models")


@pytest.fixture(scope="module")
def spec_and_folder(registration, small_models):
    """The spec to load and the models folder of its weights."""
    name = registration.spec.name
    return spec_and_models(name, Path() if name in SMALL else fetch_models(*registration.weights), small_models)


@pytest.fixture(scope="module")
def encoder(registration, spec_and_folder):
    return registration.load(*spec_and_folder)


@pytest.fixture(scope="module")
def tower(registration, spec_and_folder):
    if registration.load_text is None:
        pytest.skip("no text tower is declared")
    return registration.load_text(*spec_and_folder)


@pytest.fixture(scope="module")
def windows(spec_and_folder):
    """A chord, loud and quiet noise, silence and a chord far over full scale [5, window]."""
    spec = spec_and_folder[0].backbone.windows
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


def test_batch_size_does_not_matter(encoder, windows, monkeypatch):
    one_by_one = np.concatenate([encoder.embed_windows(window[None]) for window in windows])
    monkeypatch.setattr("workers.encoders.base.inference.CPU_BATCH", len(windows))  # as on a GPU
    in_one_batch = encoder.embed_windows(windows)
    monkeypatch.undo()
    assert max_cosine_distance(in_one_batch, one_by_one) <= TOLERANCE
    vectors = np.concatenate([encoder.project(row[None]) for row in one_by_one])
    assert max_cosine_distance(encoder.project(in_one_batch), vectors) <= TOLERANCE


def test_windows_of_many_tracks_come_in_a_sequence(registration, encoder, windows):
    if not registration.on_gpu:
        pytest.skip("encoders without a GPU get arrays")
    np.testing.assert_array_equal(encoder.embed_windows(list(windows)), encoder.embed_windows(windows))


def test_mixed_precision_is_another_version_nearby(registration, spec_and_folder, encoder, windows, monkeypatch):
    spec, models = spec_and_folder
    if not registration.on_gpu:
        with pytest.raises(UserError, match="float32 only"):
            find_by_name(spec.name + BFLOAT16_SUFFIX)
        return
    in_bfloat16 = find_by_name(spec.name + BFLOAT16_SUFFIX)
    assert in_bfloat16.spec.embedding_version != registration.spec.embedding_version
    bfloat16_encoder = in_bfloat16.load(spec.with_bfloat16(), models)
    features = bfloat16_encoder.embed_windows(windows)
    assert features.dtype == np.float32
    assert 0 < max_cosine_distance(features, encoder.embed_windows(windows)) < 0.05
    monkeypatch.setattr("workers.encoders.base.inference.CPU_BATCH", len(windows))
    assert max_cosine_distance(bfloat16_encoder.embed_windows(windows), features) < 0.001


def test_twice_the_same(encoder, windows):
    np.testing.assert_array_equal(encoder.embed_windows(windows), encoder.embed_windows(windows))


def test_stored_features_give_the_same_vector(encoder, windows):
    features = encoder.embed_windows(windows)
    if not encoder.spec.stores_features:
        assert max_cosine_distance(encoder.project(features), features) <= TOLERANCE
        return
    stored = features.astype(np.float16).astype(np.float32)
    np.testing.assert_array_equal(encoder.project(stored), encoder.project(features))
    if encoder.spec.tagger is not None:
        np.testing.assert_array_equal(encoder.tag(stored), encoder.tag(features))


def test_sounds_differ(encoder, windows):
    vectors = encoder.project(encoder.embed_windows(windows))
    assert max_cosine_distance(vectors[0], vectors[1]) > 100 * TOLERANCE


def test_the_golden_vector(registration, encoder):
    golden = np.load(golden_file(registration.spec.name))
    advice = f"run python -m tests.conformance.golden {registration.spec.name} and commit what it writes"
    assert str(golden["feature_version"]) == registration.spec.feature_version, advice
    assert str(golden["embedding_version"]) == registration.spec.embedding_version, advice
    for name, numbers in compute(encoder).items():
        assert max_cosine_distance(numbers, golden[name]) <= TOLERANCE, (
            f"{name} moved: raise the spec's revision, then {advice}"
        )


@pytest.fixture(scope="session")
def golden_of_other_process(tmp_path_factory):
    """A function from an encoder's name to the golden file of another process, which all small encoders share."""

    @cache
    def run(names):
        folder = tmp_path_factory.mktemp("other-process")
        command = [sys.executable, "-m", "tests.conformance.golden", *names, "--folder", str(folder)]
        subprocess.run(command, capture_output=True, check=True)
        return folder

    return lambda name: np.load(golden_file(name, run(tuple(SMALL) if name in SMALL else (name,))))


def test_another_process_computes_the_same(registration, encoder, golden_of_other_process):
    assert (
        max_cosine_distance(golden_of_other_process(registration.spec.name)["vector"], compute(encoder)["vector"])
        <= TOLERANCE
    )


def test_the_spec_travels(registration):
    spec = registration.spec
    assert pickle.loads(pickle.dumps(spec)) == spec
    assert EncoderSpec.from_json(spec.to_json()) == spec
    assert EncoderSpec.from_json(spec.to_json()).embedding_version == spec.embedding_version


def test_the_spec_is_complete(registration):
    spec = registration.spec
    windows = spec.backbone.windows
    assert spec.licence
    assert spec.citation
    assert spec.name == spec.name.lower()
    assert min(windows.sample_rate, windows.window, windows.hop, spec.backbone.dim, spec.head.dim) > 0
    assert bool(spec.head.text_tower) == (registration.load_text is not None)


def test_text_lands_beside_the_vectors(tower, spec_and_folder):
    texts = ["banjo", "a slow waltz for strings, recorded in a church", "", "é 音楽"]
    vectors = tower.embed_text(texts)
    assert vectors.shape == (4, spec_and_folder[0].head.dim)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert max_cosine_distance(vectors, np.concatenate([tower.embed_text([text]) for text in texts])) <= TOLERANCE
    assert tower.embed_text([]).shape == (0, spec_and_folder[0].head.dim)


def test_names_are_keys():
    assert all(name == registration.spec.name for name, registration in ENCODERS.items())
    assert [encoder.name for encoder in describe_encoders()] == list(ENCODERS)


def test_an_unknown_name_is_one_line():
    with pytest.raises(UserError, match="no encoder is named 'nope'; `tonelake encoders` lists them"):
        find_by_name("nope")


def test_an_unpinned_encoder_must_be_allowed():
    unpinned = [name for name, registration in ENCODERS.items() if registration.unpinned]
    for name in unpinned:
        with pytest.raises(UserError, match=f"{name} is not pinned.*--allow-unpinned"):
            require_runnable(name, Settings())
        assert require_runnable(name, Settings(allow_unpinned=True)) is ENCODERS[name]
    assert [encoder.name for encoder in describe_encoders() if encoder.unpinned] == unpinned
    assert unpinned


def test_only_restrictive_licences_have_a_notice():
    assert "licence of mule: weights: CC-BY-NC-4.0" in ENCODERS["mule"].notices
    assert ENCODERS["fake"].notices == ENCODERS["musicnn"].notices == []


def test_another_version_is_refused(registration, tmp_path):
    spec = EncoderSpec.from_json(registration.spec.to_json().replace('"revision": 1', '"revision": 99'))
    with pytest.raises(UserError, match=registration.spec.embedding_version):
        load_encoder(spec, tmp_path)


def test_fewer_windows_are_the_same_encoder(registration, spec_and_folder):
    few = spec_and_folder[0].with_max_windows(3)
    assert registration.load(few, spec_and_folder[1]).spec == few


def test_the_registry_is_light():
    heavy = "{'torch', 'tokenizers', 'transformers', 'safetensors'}"
    code = f"import sys, workers.encoders.registry; print(sorted({heavy} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_workers_on_audio_load_no_text_tower(tmp_path):
    code = (
        "import sys; from pathlib import Path; from workers.encoders.registry import ENCODERS, load_encoder\n"
        f"load_encoder(ENCODERS['musicnn'].spec, Path({str(tmp_path)!r}))\n"
        "print(sorted({'tokenizers', 'transformers', 'workers.text.minilm'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
