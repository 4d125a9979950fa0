"""The architecture holds: who imports whom, what names and docstrings look like, how long files are."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("flows", "workers", "schemas", "lake")
MAX_FILE_LINES = 300
MAX_FUNCTION_LINES = 50
MAX_SUMMARY_WORDS = 15
# Words that say nothing of a value: a variable, an argument or a function carries its noun or its verb instead.
FORBIDDEN_NAMES = frozenset(
    """
    again alike asked begun each found heard held mine one ours own place places said some theirs there told
    which who whose
    """.split()
)


def python_files() -> list[Path]:
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", "*.py"]
    listing = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in listing.splitlines() if (ROOT / name).is_file()]


def stored_names(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Yield every name that the code gives to something, with its line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id, node.lineno
        elif isinstance(node, ast.arg):
            yield node.arg, node.lineno
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name, node.lineno
        elif isinstance(node, ast.alias) and node.asname:
            yield node.asname, node.lineno or 0


def summary(docstring: str) -> str:
    """Return the first sentence of a docstring."""
    paragraph = " ".join(docstring.split("\n\n")[0].split())
    return re.split(r"(?<=\.)\s(?=[A-Z`])", paragraph)[0]


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


def test_names_carry_a_noun_or_a_verb():
    forbidden = [
        f"{path.relative_to(ROOT)}:{line} {name}"
        for path in python_files()
        for name, line in stored_names(ast.parse(path.read_text()))
        if name in FORBIDDEN_NAMES
    ]
    assert not forbidden


def test_docstrings_begin_with_a_short_sentence():
    long = [
        f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 1)} {summary(docstring)}"
        for path in python_files()
        if path.relative_to(ROOT).parts[0] in ROOMS
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Module)
        if (docstring := ast.get_docstring(node)) and len(summary(docstring).split()) > MAX_SUMMARY_WORDS
    ]
    assert not long
