"""The pipeline on a real Ray: every track has one outcome, whatever its neighbours do to the worker."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import ray

from lake.sources.listing import list_sources
from schemas.errors import UserError
from schemas.settings import Settings
from tests.audio_files import BROKEN
from tests.cli import environment, run
from tests.conformance.seeded import write_source
from tests.workers.distributed import poison
from tests.workers.distributed.poison import OncePoisonStage, PoisonStage, by_track, poisoned_tracks
from workers.distributed.cluster import start_ray
from workers.distributed.pipeline import embed, run_fused, run_split
from workers.embedding import blocks
from workers.encoders.fake import SPEC
from workers.encoders.registry import find_by_name
from workers.encoders.ttmr.plus_plus import SPEC as TTMR_PP_SPEC
from workers.encoders.ttmr.plus_plus import TTMR_PP
from workers.local.executor import LocalExecutor


@pytest.fixture(scope="module")
def settings():
    settings = Settings(cpus=2)
    start_ray(settings)
    yield settings
    ray.shutdown()


@pytest.fixture(scope="module")
def tracks(rendered, tmp_path_factory):
    """Six sound files and a few broken ones."""
    folder = tmp_path_factory.mktemp("broken")
    for name in ("html.mp3", "silent.wav", "cut.ogg", "garbled.flac"):
        (folder / name).write_bytes(BROKEN[name][0]())
    return list_sources([str(rendered), str(folder)], Settings().s3).tracks


@pytest.fixture(scope="module")
def fused(tracks, settings):
    """The outcomes of the tracks, by track_id."""
    return by_track(run_fused(tracks, (SPEC,), settings))


def test_fused_equals_split(fused, tracks, settings):
    split = by_track(run_split(tracks, SPEC, settings, gpus=0))
    assert fused.keys() == split.keys() == set(tracks["track_id"].to_pylist())
    for track, row in fused.items():
        arrays = ("vector", "features", "window_vectors")
        for name in arrays:
            np.testing.assert_array_equal(row[name], split[track][name])
        assert row == split[track] | {name: row[name] for name in arrays}


def test_the_local_executor_gives_the_same_bits(tracks, settings):
    specs = (SPEC, find_by_name("musicnn").spec)
    on_ray = by_encoder_and_track(embed(tracks, specs, settings))
    local = by_encoder_and_track(LocalExecutor().embed(tracks, specs, settings))
    assert on_ray == local
    assert len(on_ray) == 2 * len(tracks)


def by_encoder_and_track(batches) -> dict[tuple[str, str], dict]:
    return {(spec.name, row["track_id"]): row for spec, batch in batches for row in batch.to_pylist()}


def test_refused_weights_end_in_one_line(tracks, settings, tmp_path):
    checkpoint, yaml = TTMR_PP.files
    write_source(TTMR_PP, tmp_path, {checkpoint: b"", yaml: b"sr: 44100"})
    with pytest.raises(UserError, match=r"^\S+ says sr 44100: this tonelake computes 22050$"):
        list(embed(tracks, (TTMR_PP_SPEC,), settings.model_copy(update={"models": tmp_path})))


def test_a_missing_cluster_is_reported_at_once(rendered, tmp_path):
    errors = run("--lake", tmp_path, "--encoder", "fake", "index", rendered, code=2, RAY_ADDRESS="127.0.0.1:1").stderr
    assert errors.splitlines()[-1].startswith("tonelake: no Ray cluster answers at 127.0.0.1:1: start it, or unset")


def test_broken_files_are_rows_with_reasons(fused, tracks):
    uris = dict(zip(tracks["track_id"].to_pylist(), tracks["uri"].to_pylist(), strict=True))
    reasons = {Path(uris[track]).name: row["reason"] for track, row in fused.items() if row["outcome"] != "embedded"}
    assert reasons == {name: BROKEN[name][1] for name in ("html.mp3", "silent.wav", "cut.ogg", "garbled.flac")}


@pytest.fixture
def poisoned(rendered, tmp_path, monkeypatch):
    """Forty sound tracks and one that crashes its worker, ten per block."""
    monkeypatch.setattr(blocks, "MAX_BLOCK_TRACKS", 10)
    monkeypatch.setattr(blocks, "BLOCKS_PER_CORE", 2)
    return poisoned_tracks(tmp_path, rendered)


@pytest.fixture
def undescribed(settings):
    """Settings without descriptions, whose code each process that replaces a dead one would import for a second."""
    return settings.model_copy(update={"describe": False})


def test_a_poison_file_is_quarantined_alone(poisoned, undescribed):
    ray.cloudpickle.register_pickle_by_value(poison)
    outcomes = by_track(embed(poisoned, (SPEC,), undescribed, PoisonStage))
    poison.assert_only_poison_quarantined(outcomes, poisoned)


def test_a_crash_that_does_not_recur_quarantines_nothing(poisoned, undescribed):
    ray.cloudpickle.register_pickle_by_value(poison)
    outcomes = by_track(embed(poisoned, (SPEC,), undescribed, OncePoisonStage))
    assert {row["outcome"] for row in outcomes.values()} == {"embedded"}
    assert len(outcomes) == 41


@pytest.mark.usefixtures("settings")
def test_an_unreachable_store_leaves_tracks_pending(tracks, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("TONELAKE_STORE_PATIENCE", "1")  # without it each track is tried for a minute
    unreachable = pa.array([f"s3://bucket/{number}.wav" for number in range(2)])
    index = tracks.schema.get_field_index("uri")
    lost = tracks.slice(0, 2).set_column(index, tracks.schema.field("uri"), unreachable)
    outcomes = by_track(embed(lost, (SPEC,), Settings(cpus=2)))
    assert {row["outcome"] for row in outcomes.values()} == {"pending"}
    assert all(row["message"] for row in outcomes.values())


SCRIPT = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.default_int_handler)
from schemas.settings import Settings
from workers.distributed.cluster import start_ray
start_ray(Settings(cpus=1))
try:
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(30)
except KeyboardInterrupt:
    print("its own handler ran")
"""


def test_ray_does_not_replace_the_handler_of_sigterm():
    """Ray's handler aborts the process, even in the middle of a commit."""
    command = [sys.executable, "-c", SCRIPT]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment(), check=True)
    assert ended.stdout == "its own handler ran\n"
