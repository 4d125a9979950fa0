"""Subprocess encoders: the environment is built once, stays separate, and failures and deaths are handled."""

import importlib.util
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from schemas.errors import UserError
from tests.cli import error_line
from tests.conformance.environments import link_environment
from tests.distributed.roman_encoder import ENTRY, PACKAGES, SPEC, Roman
from workers.encoders.base import isolated
from workers.encoders.base.isolated import PipEnvironment, SubprocessEncoder
from workers.encoders.registry import ENCODERS
from workers.weights.cache import weights_folder

WINDOWS = np.random.default_rng(0).normal(0, 0.25, (3, SPEC.backbone.windows.window)).astype(np.float32)


@pytest.fixture
def models(tmp_path):
    link_environment(PACKAGES, tmp_path)
    return tmp_path


@pytest.fixture
def encoder(models):
    return ENTRY.load(SPEC, models)


def test_its_packages_are_not_importable_here(encoder):
    assert encoder.embed_windows(WINDOWS)[:, 0].tolist() == [1 + int(row.std() * 1000) for row in WINDOWS]
    assert importlib.util.find_spec("roman") is None


def test_built_once(models, monkeypatch):
    monkeypatch.setattr(isolated, "run_pip", lambda *_: pytest.fail("built again"))
    assert weights_folder(PACKAGES, models) == models / PACKAGES.folder


def test_other_packages_another_folder():
    folders = {PACKAGES.folder, replace(PACKAGES, requirements=("roman==5.1",)).folder}
    assert len(folders | {replace(PACKAGES, without=("*.so",)).folder}) == 3


def test_files_of_without_are_deleted(tmp_path, monkeypatch):
    def fake_pip(*arguments):
        (tmp_path / "fresh/packages/thing/lib").mkdir(parents=True)
        for name in ("cuda.so", "pure.py"):
            (tmp_path / "fresh/packages/thing/lib" / name).write_text("")
        return "" if arguments[0] == "install" else "unexpected pip command"

    monkeypatch.setattr(isolated, "run_pip", fake_pip)
    (tmp_path / "fresh").mkdir()
    PipEnvironment("thing", ("thing==1",), without=("thing/lib/*.so",)).write(tmp_path / "fresh", tmp_path, tmp_path)
    assert [path.name for path in (tmp_path / "fresh/packages/thing/lib").iterdir()] == ["pure.py"]


def test_a_death_is_an_error_and_the_next_call_is_answered(encoder):
    vectors = encoder.embed_windows(WINDOWS)
    with pytest.raises(RuntimeError, match="the process of roman died"):
        encoder.embed_windows(WINDOWS * 1e8)
    np.testing.assert_array_equal(encoder.embed_windows(WINDOWS), vectors)


def test_a_failed_restart_is_retried_at_the_next_call(encoder, models):
    (models / "broken").touch()
    with pytest.raises(RuntimeError, match="died"):
        encoder.embed_windows(WINDOWS * 1e8)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="ValueError: it is broken"):
            encoder.embed_windows(WINDOWS)
    (models / "broken").unlink()
    assert len(encoder.embed_windows(WINDOWS)) == 3


def test_threads_do_not_mix_their_answers(encoder):
    with ThreadPoolExecutor(4) as pool:
        answers = pool.map(lambda count: len(encoder.embed_windows(WINDOWS[:count])), [0, 1, 2, 3] * 25)
        assert list(answers) == [0, 1, 2, 3] * 25


def test_errors_come_back(encoder):
    with pytest.raises(RuntimeError, match="NotImplementedError: no tagger for 3 rows"):
        encoder.tag(encoder.embed_windows(WINDOWS))


def test_missing_weights_are_a_user_error(models, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    registration = ENCODERS["mule"]
    link_environment(registration.weights[0], models)
    with pytest.raises(UserError, match=f"cannot fetch matteospanio/mule.*{registration.weights[1].folder}"):
        registration.load(registration.spec, models)


def test_the_process_ends_with_its_parent(models):
    code = (
        "import os, sys; from pathlib import Path; from tests.distributed.roman_encoder import *\n"
        f"encoder = ENTRY.load(SPEC, Path({str(models)!r})); print(encoder._process.pid, flush=True); os.abort()"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    child, deadline = int(result.stdout), time.monotonic() + 20
    while _is_running(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _is_running(child)


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return "Z" not in open(f"/proc/{process}/stat").read().split(")")[1][:3]


def test_an_environment_that_cannot_be_built_is_one_line(rendered, tmp_path):
    error = error_line(
        *("--lake", tmp_path / "lake", "--encoder", "fake,mule", "--allow-unpinned", "index", rendered),
        **{"TONELAKE_MODELS": str(tmp_path / "models"), "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": ""},
    )
    assert "cannot fetch the packages of mule with pip" in error
    assert list((tmp_path / "models").iterdir()) == [], "nothing half-built is left"


def test_only_restrictive_licences_have_a_notice():
    assert "GPL" in ENCODERS["mule"].notices[0]
    assert ENCODERS["fake"].notices == ENCODERS["musicnn"].notices == []


def test_a_class_that_cannot_load_leaves_no_process(models):
    with pytest.raises(RuntimeError, match="TypeError"):
        SubprocessEncoder(PACKAGES, Roman.embed_windows, SPEC, models)
