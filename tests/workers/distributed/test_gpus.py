"""The compositions for GPUs on a Ray that counts one by name: no encoder here looks for it."""

import numpy as np
import pytest
import ray

from lake.sources.listing import list_sources
from schemas.settings import Settings
from tests.workers.distributed import poison
from workers.distributed import cluster as stages
from workers.distributed.cluster import embed, fused, split, start_ray
from workers.encoders.fake import SPEC


@pytest.fixture
def settings():
    held = {"num_cpus": 2, "num_gpus": 1}
    ray.init(address="local", **held, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    settings = Settings(cpus=2)
    start_ray(settings)
    yield settings
    ray.shutdown()


def test_beside_a_gpu_every_track_is_answered_once_and_alike(rendered, settings):
    tracks = list_sources([str(rendered)], settings.s3).tracks
    answers = []
    for batches in (fused(tracks, (SPEC,), settings, gpus=1), split(tracks, SPEC, settings, gpus=1)):
        rows = [row for _, batch in batches for row in batch.to_pylist()]
        assert sorted(row["track_id"] for row in rows) == sorted(tracks["track_id"].to_pylist())
        answers.append({row["track_id"]: row["vector"] for row in rows})
    for track, vector in answers[0].items():
        np.testing.assert_array_equal(vector, answers[1][track])


def test_a_file_that_kills_its_worker_does_not_keep_the_only_gpu(rendered, tmp_path, settings, monkeypatch):
    monkeypatch.setattr(stages, "_gpus_for", lambda *_: 1)
    monkeypatch.setattr(stages, "SPLIT_MAX_SECONDS", 0)  # decoded and encoded beside the GPU, as long tracks are
    ray.cloudpickle.register_pickle_by_value(poison)
    tracks = poison.poisoned_tracks(tmp_path, rendered)
    answered = [row for _, batch in embed(tracks, (SPEC,), settings, poison.PoisonStage) for row in batch.to_pylist()]
    found = {row["track_id"]: row for row in answered}
    assert len(found) == len(answered)
    poison.assert_quarantined_alone(found, tracks)
