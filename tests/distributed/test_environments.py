"""An encoder in an environment of its own on a real Ray: beside others, alone, and when its process dies."""

import os
import sys

import numpy as np
import pyarrow as pa
import pytest
import ray

from lake.sources.listing import list_sources
from schemas.settings import Settings
from tests.conformance.environments import link_environment
from tests.distributed.roman_encoder import ENTRY, PACKAGES, SPEC
from workers.distributed.cluster import start_ray
from workers.distributed.pipeline import embed
from workers.embedding.stages import DecodeStage, EncodeStage, FusedStage
from workers.encoders import fake, registry
from workers.encoders.base.isolated import SubprocessEncoder


class RomanStage(FusedStage):
    """Registers the encoder of this test on the workers."""

    def __init__(self, *arguments) -> None:
        registry.ENCODERS[SPEC.name] = ENTRY
        super().__init__(*arguments)


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    settings = Settings(cpus=2, models=tmp_path_factory.mktemp("models"))
    link_environment(PACKAGES, settings.models)
    start_ray(settings)
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
    registry.ENCODERS[SPEC.name] = ENTRY
    yield settings
    del registry.ENCODERS[SPEC.name]
    ray.shutdown()


@pytest.fixture
def tracks(rendered):
    return list_sources([str(rendered)], Settings().s3).tracks


def rows_of(batches) -> dict[tuple[str, str], dict]:
    rows = [(spec.name, row) for spec, batch in batches for row in batch.to_pylist()]
    by_track = {(name, row["track_id"]): row for name, row in rows}
    assert len(by_track) == len(rows), "a track has two outcomes"
    return by_track


def test_vectors_beside_another_encoder_are_those_alone(tracks, settings):
    both = rows_of(embed(tracks, (SPEC, fake.SPEC), settings, RomanStage))
    lone = rows_of(embed(tracks, (SPEC,), settings, RomanStage))
    assert len(both) == 2 * len(tracks) == 2 * len(lone)
    assert {row["outcome"] for row in both.values()} == {"embedded"}
    for key, row in lone.items():
        for name in ("vector", "features", "window_vectors"):
            np.testing.assert_array_equal(row.pop(name), both[key].pop(name))
        assert row == both[key]


class MortalStage(RomanStage):
    """The encoder's process dies on one file; the worker does not."""

    def __call__(self, block: pa.Table) -> pa.Table:
        encoder = next(encoder for encoder in self._encoders if encoder.spec.name == SPEC.name)
        louder = 1e9 if any(uri.endswith("dies.wav") for uri in block["uri"].to_pylist()) else 1
        encoder.embed_windows = lambda windows: SubprocessEncoder.embed_windows(encoder, windows * louder)
        return super().__call__(block)


def test_a_dead_process_leaves_its_track_pending_and_harms_no_other(rendered, tmp_path, settings):
    files = sorted(path for path in rendered.iterdir() if path.suffix == ".wav")
    for name in ("dies.wav", "lives.wav"):
        os.link(files[0], tmp_path / name)
    tracks = list_sources([str(tmp_path)], Settings().s3).tracks
    rows = rows_of(embed(tracks, (fake.SPEC, SPEC), settings, MortalStage))
    uris = dict(zip(tracks["track_id"].to_pylist(), tracks["uri"].to_pylist(), strict=True))
    outcomes = {(name, uris[track].rsplit("/", 1)[1]): row["outcome"] for (name, track), row in rows.items()}
    assert outcomes.pop(("roman", "dies.wav")) == "pending"
    assert set(outcomes.values()) == {"embedded"}
    assert any("the process of roman died" in (row["message"] or "") for row in rows.values())


def test_decode_and_encode_stages_without_ray(tracks, settings):
    outcomes = EncodeStage(SPEC, settings)(DecodeStage(SPEC, settings)(tracks))
    assert set(outcomes["outcome"].to_pylist()) == {"embedded"}
