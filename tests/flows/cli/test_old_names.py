"""Names of tonelake 0.1 still work on the command line; `--help` shows the current ones alone."""

import pytest

from flows.cli.old_names import COMMANDS, OPTIONS, current_options
from schemas.settings import Settings
from tests.cli import error_line, run, run_json


def test_options_get_their_current_names():
    old = ["--allow-unproven", "index", "a", "--windows", "2", "--", "--chunks"]
    assert current_options(old) == ["--allow-unpinned", "index", "a", "--max-windows", "2", "--", "--chunks"]
    assert current_options(["evaluate", "--chunks=8"]) == ["evaluate", "--max-windows=8"]


@pytest.mark.parametrize(
    ("command", "old"),
    [
        (("index",), "--windows"),
        (("evaluate",), "--chunks"),
        (("maintain",), "--mend"),
        ((), "--allow-unproven"),
    ],
)
def test_help_shows_current_names_alone(command, old):
    text = run(*command, "--help").stdout
    assert old not in text
    assert OPTIONS[old] in text


def test_the_old_command_is_hidden_and_works(tmp_path):
    (old, current) = next(iter(COMMANDS.items()))
    text = run("--help", COLUMNS="200").stdout
    assert f" {old} " not in text
    assert f" {current} " in text
    assert "no lake at" in error_line("--lake", tmp_path, old, "--yes", "t1")


def test_the_old_option_works(rendered, tmp_path):
    plans = [
        run_json(tmp_path / "lake", "index", rendered, name, "2", "--dry-run")
        for name in ("--windows", "--max-windows")
    ]
    assert plans[0] == plans[1]


def test_the_old_variable_works(monkeypatch):
    assert not Settings().allow_unpinned
    monkeypatch.setenv("TONELAKE_ALLOW_UNPROVEN", "true")
    assert Settings().allow_unpinned
