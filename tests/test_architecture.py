"""The architecture holds: who imports whom, whose names are whose, and how long a file may be."""

import ast
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("flows", "workers", "schemas", "lake")
MAX_FILE_LINES = 300
MAX_FUNCTION_LINES = 40


def python_files() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--", "*.py"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    return [ROOT / name for name in listed.splitlines() if (ROOT / name).is_file()]


def test_import_contracts():
    linter = [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"]
    result = subprocess.run([*linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("room", ROOMS)
def test_no_other_distribution_owns_our_names(room):
    assert set(packages_distributions().get(room, ())) <= {"tonelake"}


@pytest.mark.parametrize("room", ROOMS)
def test_package_files_are_empty(room):
    assert (ROOT / room / "__init__.py").read_text() == ""


def test_files_are_short():
    lengths = {path: len(path.read_text().splitlines()) for path in python_files()}
    assert lengths
    assert not {str(path): count for path, count in lengths.items() if count > MAX_FILE_LINES}


def test_functions_are_short():
    long = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
        for path in python_files()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef) and node.end_lineno - node.lineno >= MAX_FUNCTION_LINES
    ]
    assert not long
