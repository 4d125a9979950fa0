"""The compositions for GPUs, on a Ray that counts one: the encoder of these tests does not use it."""

import numpy as np
import pytest
import ray

from lake.sources.listing import list_sources
from schemas.settings import Settings
from tests.workers.distributed import poison
from workers.distributed import pipeline
from workers.distributed.cluster import start_ray
from workers.distributed.pipeline import embed, run_fused, run_split
from workers.encoders.fake import SPEC


@pytest.fixture
def settings():
    ray.init(
        address="local", num_cpus=2, num_gpus=1, include_dashboard=False, log_to_driver=False, logging_level="ERROR"
    )
    settings = Settings(cpus=2)
    start_ray(settings)
    yield settings
    ray.shutdown()


def test_fused_equals_split_with_a_gpu(rendered, settings):
    tracks = list_sources([str(rendered)], settings.s3).tracks
    vectors = []
    for batches in (run_fused(tracks, (SPEC,), settings, gpus=1), run_split(tracks, SPEC, settings, gpus=1)):
        rows = [row for _, batch in batches for row in batch.to_pylist()]
        assert sorted(row["track_id"] for row in rows) == sorted(tracks["track_id"].to_pylist())
        vectors.append({row["track_id"]: row["vector"] for row in rows})
    for track, vector in vectors[0].items():
        np.testing.assert_array_equal(vector, vectors[1][track])


def test_a_crashed_worker_frees_the_only_gpu(rendered, tmp_path, settings, monkeypatch):
    monkeypatch.setattr(pipeline, "reserved_gpus", lambda *_: 1)
    monkeypatch.setattr(pipeline, "SPLIT_MAX_SECONDS", 0)  # decoded and encoded in one process, as long tracks are
    ray.cloudpickle.register_pickle_by_value(poison)
    tracks = poison.poisoned_tracks(tmp_path, rendered)
    rows = [row for _, batch in embed(tracks, (SPEC,), settings, poison.PoisonStage) for row in batch.to_pylist()]
    outcomes = {row["track_id"]: row for row in rows}
    assert len(outcomes) == len(rows)
    poison.assert_only_poison_quarantined(outcomes, tracks)
