"""Nodes with other code than the driver's, as real Ray processes: a run refuses them in one line."""

import importlib.util
import shutil
import time
from importlib.machinery import PathFinder
from pathlib import Path

import pytest
import ray
from ray.cluster_utils import Cluster

from lake.sources.listing import list_sources
from schemas.errors import UserError
from schemas.settings import Settings
from tests.cli import ROOT, run
from tests.distributed.interrupted_runs import last_line
from workers.distributed.cluster import start_ray
from workers.distributed.code_version import PACKAGES, compute_digest, driver_digest
from workers.distributed.pipeline import embed
from workers.encoders.fake import SPEC

MESSAGE = "runs another version of tonelake: install the same version on all nodes (docs/upgrading.md)"


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    """A head without cores. Ray puts the driver's working folder first on every worker's path, so it is empty."""
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    yield cluster
    ray.shutdown()
    cluster.shutdown()


def add_node(cluster: Cluster, path: Path) -> None:
    cluster.add_node(num_cpus=2, env_vars={"PYTHONPATH": str(path)})
    cluster.wait_for_nodes()


@pytest.fixture
def changed_tree(tmp_path) -> Path:
    """A copy of our code with one line more, which would compute the same."""
    folder = tmp_path / "changed"
    for package in PACKAGES:
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    with (folder / "workers/encoders/fake.py").open("a") as file:
        file.write("# changed\n")
    return folder


@pytest.fixture
def old_tree(changed_tree) -> Path:
    """An older version of our code, in which modules have other names."""
    (changed_tree / "workers/distributed/code_version.py").unlink()
    (changed_tree / "workers/embedding/stages.py").rename(changed_tree / "workers/blocks.py")
    return changed_tree


def test_a_node_with_other_code_is_refused_in_one_line(cluster, old_tree, rendered, tmp_path):
    add_node(cluster, ROOT)
    command = ("--encoder", "fake", "index", rendered)
    run("--lake", tmp_path / "lake", *command, RAY_ADDRESS=cluster.address)
    add_node(cluster, old_tree)
    stopped = run("--lake", tmp_path / "other", *command, code=2, RAY_ADDRESS=cluster.address)
    line = last_line(stopped.stderr)
    assert line.startswith("tonelake: the Ray node ")
    assert line.endswith(MESSAGE)


@pytest.mark.parametrize("tree", ["changed_tree", "old_tree"])
def test_a_node_that_joins_during_a_run_computes_nothing(cluster, request, tree, rendered):
    settings = Settings(cpus=2).model_copy(update={"ray_address": cluster.address})
    start_ray(settings)
    add_node(cluster, request.getfixturevalue(tree))
    rows = []
    with pytest.raises(UserError, match="runs another version of tonelake"):
        rows += embed(list_sources([str(rendered)], settings.s3).tracks, (SPEC,), settings)
    assert rows == []


def test_a_node_without_our_code_is_refused(cluster, tmp_path):
    blank = tmp_path / "blank"
    for package in PACKAGES:
        (blank / package).mkdir(parents=True)
        (blank / f"{package}/__init__.py").touch()
    add_node(cluster, blank)
    with pytest.raises(UserError, match="install the same version on all nodes"):
        start_ray(Settings().model_copy(update={"ray_address": cluster.address}))


def test_the_digest_follows_every_byte(changed_tree, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: PathFinder.find_spec(name, [str(changed_tree)]))
    before = compute_digest()
    assert before != driver_digest()
    with (changed_tree / "schemas/audio.py").open("a") as file:
        file.write("#")
    assert compute_digest() != before
    shutil.rmtree(changed_tree / "workers")
    assert compute_digest() == ""


def test_the_digest_takes_less_than_a_tenth_of_a_second():
    started = time.perf_counter()
    compute_digest()
    assert time.perf_counter() - started < 0.1
