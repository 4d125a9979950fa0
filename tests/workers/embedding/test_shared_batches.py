"""Tracks of a block that share batches: the numbers are those of each track alone, and a bad track harms no other."""

import numpy as np
import pytest
import torch

from lake.sources.listing import list_sources
from schemas.settings import Settings
from tests.conformance.small import SMALL
from workers.embedding import stages
from workers.embedding.pooling import mean_pool, pool_tracks
from workers.embedding.stages import DecodeStage, EncodeStage
from workers.encoders.registry import ENCODERS

NAME = "ttmr-classification"


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    return ENCODERS[NAME].load(SMALL[NAME](folder), folder)


@pytest.fixture
def stage(encoder, monkeypatch):
    monkeypatch.setattr(stages, "load_encoder", lambda *_: encoder)
    return EncodeStage(ENCODERS[NAME].spec, Settings())


@pytest.fixture(scope="module")
def block(rendered):
    tracks = list_sources([str(rendered)], Settings().s3).tracks.slice(0, 3)
    return DecodeStage(ENCODERS[NAME].spec, Settings())(tracks)


@pytest.fixture
def sizes(encoder):
    """The sizes of the batches that the encoder's net computes."""
    sizes = []
    hook = encoder._net.register_forward_pre_hook(lambda _, inputs: sizes.append(len(inputs[0])))
    yield sizes
    hook.remove()


def max_cosine_distance(first, second):
    first, second = np.atleast_2d(first).astype(float), np.atleast_2d(second).astype(float)
    return (1 - (first * second).sum(1) / np.linalg.norm(first, axis=1) / np.linalg.norm(second, axis=1)).max()


def test_tracks_share_batches_and_keep_their_numbers(encoder, sizes, monkeypatch):
    rng = np.random.default_rng(0)
    window = encoder.spec.backbone.windows.window
    tracks = [
        (level * rng.standard_normal((count, window))).astype(np.float32)
        for count, level in ((3, 1), (1, 0.01), (2, 0.1))
    ]
    apart = [mean_pool(windows, encoder) for windows in tracks]
    monkeypatch.setattr(encoder.batches, "size", 4)
    sizes.clear()
    together = pool_tracks(tracks, encoder)
    assert sizes == [3, 3]
    for pooled, expected in zip(together, apart, strict=True):
        assert max_cosine_distance(pooled.features, expected.features) <= 1e-5
        assert pooled.window_vectors.shape == expected.window_vectors.shape
        assert max_cosine_distance(pooled.window_vectors, expected.window_vectors) <= 1e-5


def test_on_a_cpu_common_batches_change_no_bit(encoder):
    rng = np.random.default_rng(0)
    tracks = rng.standard_normal((2, 2, encoder.spec.backbone.windows.window)).astype(np.float32)
    for pooled, windows in zip(pool_tracks(tracks, encoder), tracks, strict=True):
        np.testing.assert_array_equal(pooled.features, mean_pool(windows, encoder).features)
        np.testing.assert_array_equal(pooled.window_vectors, mean_pool(windows, encoder).window_vectors)


def test_no_tracks_are_no_work(encoder, sizes):
    assert pool_tracks([], encoder) == []
    assert sizes == []


def test_a_track_that_fails_alone_stays_pending(stage, block, encoder, monkeypatch):
    loud = block["windows"].copy()
    loud[1] = loud[1] * np.float32(1e9)
    net = encoder._net.forward

    def refuse_loud(audio: torch.Tensor) -> torch.Tensor:
        if audio.abs().amax() > 1e6:
            raise RuntimeError("too loud")
        return net(audio)

    monkeypatch.setattr(encoder._net, "forward", refuse_loud)
    rows = stage(block | {"windows": loud}).to_pylist()
    assert [row["outcome"] for row in rows] == ["embedded", "pending", "embedded"]
    assert "too loud" in rows[1]["message"]
