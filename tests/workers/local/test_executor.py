"""The executor of this machine: one outcome a track, whatever dies, and the bits of Ray's."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from lake.sources.listing import list_sources
from schemas.errors import UserError
from schemas.settings import Settings
from tests.audio_files import BROKEN
from tests.cli import environment
from tests.conformance.seeded import write_source
from tests.workers.distributed import poison
from tests.workers.distributed.poison import OncePoisonStage, PoisonStage, by_track, poisoned_tracks
from workers.embedding import blocks
from workers.embedding.outcomes import unpack
from workers.embedding.stages import FusedStage
from workers.encoders.fake import SPEC
from workers.encoders.ttmr.plus_plus import SPEC as TTMR_PP_SPEC
from workers.encoders.ttmr.plus_plus import TTMR_PP
from workers.executors import choose_executor
from workers.local.executor import LocalExecutor, _count_processes

SETTINGS = Settings(cpus=2)


class FailingStage(FusedStage):
    """Raises an error that no stage should raise."""

    def __call__(self, _):
        raise RuntimeError("the stage is broken")


@pytest.fixture
def poisoned(rendered, tmp_path, monkeypatch):
    """Forty sound tracks and one that crashes its worker, ten per block."""
    monkeypatch.setattr(blocks, "MAX_BLOCK_TRACKS", 10)
    monkeypatch.setattr(blocks, "BLOCKS_PER_CORE", 2)
    return poisoned_tracks(tmp_path, rendered)


def test_vectors_and_reasons_are_those_of_the_stage_itself(rendered, tmp_path):
    for name in ("html.mp3", "silent.wav", "cut.ogg", "garbled.flac"):
        (tmp_path / name).write_bytes(BROKEN[name][0]())
    tracks = list_sources([str(rendered), str(tmp_path)], SETTINGS.s3).tracks
    computed = by_track(LocalExecutor().embed(tracks, (SPEC,), SETTINGS))
    stage = FusedStage((SPEC,), SETTINGS)
    expected = by_track(unpack(stage(tracks), (SPEC,)))
    assert computed.keys() == expected.keys()
    for track, row in expected.items():
        for name in ("vector", "features", "window_vectors"):
            np.testing.assert_array_equal(row.pop(name), computed[track].pop(name))
        assert row == computed[track]


def test_a_poison_file_is_quarantined_alone(poisoned):
    outcomes = by_track(LocalExecutor(PoisonStage).embed(poisoned, (SPEC,), SETTINGS))
    poison.assert_only_poison_quarantined(outcomes, poisoned)


def test_a_crash_that_does_not_recur_quarantines_nothing(poisoned):
    outcomes = by_track(LocalExecutor(OncePoisonStage).embed(poisoned, (SPEC,), SETTINGS))
    assert {row["outcome"] for row in outcomes.values()} == {"embedded"}
    assert len(outcomes) == 41


def test_an_error_of_the_stage_leaves_tracks_pending(rendered):
    tracks = list_sources([str(rendered)], SETTINGS.s3).tracks
    outcomes = by_track(LocalExecutor(FailingStage).embed(tracks, (SPEC,), SETTINGS))
    assert outcomes.keys() == set(tracks["track_id"].to_pylist())
    assert {(row["outcome"], row["message"]) for row in outcomes.values()} == {
        ("pending", "RuntimeError: the stage is broken")
    }


def test_refused_weights_end_in_one_line(rendered, tmp_path):
    checkpoint, yaml = TTMR_PP.files
    write_source(TTMR_PP, tmp_path, {checkpoint: b"", yaml: b"sr: 44100"})
    tracks = list_sources([str(rendered)], SETTINGS.s3).tracks
    with pytest.raises(UserError, match=r"^\S+ says sr 44100: this tonelake computes 22050$"):
        list(LocalExecutor().embed(tracks, (TTMR_PP_SPEC,), SETTINGS.model_copy(update={"models": tmp_path})))


def test_an_abandoned_run_leaves_no_process(poisoned):
    others = set(_children(os.getpid()))  # of other tests, a store for example
    outcomes = LocalExecutor().embed(poisoned, (SPEC,), SETTINGS)
    next(outcomes)
    assert set(_children(os.getpid())) > others
    outcomes.close()
    assert set(_children(os.getpid())) <= others


def test_processes_end_with_a_killed_run(rendered, tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-m", "flows.cli.main", "--lake", tmp_path / "lake", "--encoder", "fake", "index", rendered],
        env=environment(TONELAKE_EXECUTOR="local"),
        stderr=subprocess.DEVNULL,
    )
    children = _wait_until(lambda: [child for child in _children(process.pid) if "spawn_main" in _command(child)])
    process.send_signal(signal.SIGKILL)
    process.wait()
    _wait_until(lambda: not any(Path(f"/proc/{child}").exists() for child in children))


def test_a_process_has_a_minute_of_audio_at_least(rendered):
    tracks = list_sources([str(rendered)], SETTINGS.s3).tracks
    executor = LocalExecutor()
    list(executor.embed(tracks.slice(0, 1), (SPEC,), SETTINGS))
    assert executor.reserved_resources((SPEC,), SETTINGS) == (1, 0)
    many = pa.concat_tables([tracks] * 30)
    assert _count_processes(many, Settings(cpus=2)) == 2
    assert 40 < _count_processes(many, Settings(cpus=1000)) < 80  # 180 tracks of 20 s, by their sizes


def _wait_until(condition, seconds=60.0):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if result := condition():
            return result
        time.sleep(0.02)
    raise AssertionError("it did not come true in a minute")


def _children(pid: int) -> list[int]:
    children = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = stat.read_text().rpartition(") ")[2].split()[:2]
        except OSError:
            continue
        if int(parent) == pid and state != "Z" and "resource_tracker" not in _command(int(stat.parent.name)):
            children.append(int(stat.parent.name))
    return children


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""


def test_the_choice_goes_by_audio_address_and_setting(rendered, monkeypatch):
    tracks = list_sources([str(rendered)], SETTINGS.s3).tracks

    def chosen(tracks=tracks, **options):
        return type(choose_executor(tracks, (SPEC,), SETTINGS.model_copy(update=options))).__name__

    assert chosen() == "LocalExecutor"
    assert chosen(executor="ray") == "RayExecutor"
    assert chosen(ray_address="127.0.0.1:6379") == "RayExecutor"
    assert chosen(ray_address="127.0.0.1:6379", executor="local") == "LocalExecutor"
    monkeypatch.setattr("workers.executors.LOCAL_MAX_SECONDS", 10)
    assert chosen() == "RayExecutor"
