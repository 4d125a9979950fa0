"""`make demo` as a user sees it, with the encoder `fake`, which needs no weights."""

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from flows.demo import publish_new_version
from flows.search.search import search
from schemas.settings import Settings
from tests.cli import ROOT, environment
from workers.encoders.registry import find_by_name
from workers.synthetic_music.demo.catalogue import kinds


def run_demo(folder: Path, encoder: str = "fake", code: int = 0) -> str:
    """Run the demo, expect an exit code, and return what it printed."""
    command = [sys.executable, "-m", "flows.demo", str(folder)]
    settings = environment(TONELAKE_ENCODER=encoder)
    result = subprocess.run(command, cwd=ROOT, env=settings, capture_output=True, text=True, check=False)
    assert result.returncode == code, result.stdout + result.stderr
    return result.stdout + result.stderr


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """The demo's folder, and what its first run printed."""
    folder = tmp_path_factory.mktemp("demo")
    return folder, run_demo(folder)


def test_every_12th_kind_is_typed(demo):
    _, output = demo
    typed = re.findall(r"^\$ tonelake \S+ search (?:'(.+?)'|(\w+)) -k 3$", output, re.MULTILINE)
    assert [quoted or word for quoted, word in typed] == sorted(kind.name for kind in kinds())[::12]


def test_it_counts_the_searches_that_find_their_kind(demo):
    folder, output = demo
    settings = Settings(lake=str(folder / "lake"), encoder="fake")
    count = 0
    for kind in kinds():
        suffix = f"-{kind.name.replace(' ', '-')}"
        stems = [Path(hit.uri).stem for hit in search(settings, text=kind.name, k=3)]
        count += any(re.fullmatch(rf"\d+{suffix}", stem) for stem in stems)
    assert f"{count} of 60 searches found their kind in the first 3" in output


def test_it_ends_with_the_command_that_starts_the_page(demo):
    folder, output = demo
    assert output.rindex(f".venv/bin/tonelake --lake={folder}/lake serve\n\n") > output.index("Done in")


def test_a_second_run_embeds_nothing(demo):
    folder, _ = demo
    assert "nothing to embed" in run_demo(folder)


def test_a_command_that_fails_ends_the_demo(demo):
    folder, _ = demo
    output = run_demo(folder, encoder="unknown", code=2)
    assert "Traceback" not in output
    assert "Done" not in output


def test_another_version_of_the_encoder_is_published(demo, monkeypatch):
    """As after an upgrade of tonelake: a demo that was run before has the earlier version live."""
    folder, _ = demo
    settings = Settings(lake=str(folder / "lake"), encoder="fake")
    registration = find_by_name("fake")
    newer = replace(registration.spec, head=replace(registration.spec.head, revision=2))
    commands = []
    monkeypatch.setattr("flows.demo.run_tonelake", lambda *arguments: commands.append(arguments))
    publish_new_version("--lake=x", settings)
    assert commands == []
    monkeypatch.setattr("flows.demo.find_by_name", lambda _: replace(registration, spec=newer))
    publish_new_version("--lake=x", settings)
    assert commands == [("--lake=x", "promote", newer.embedding_version)]
