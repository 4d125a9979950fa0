"""What no file of ours may do: run what it reads, or fetch what is not pinned. docs/security.md promises it."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.test_architecture import ROOMS, ROOT
from workers.encoders.base.isolated import Environment
from workers.encoders.registry import ENCODERS
from workers.weights.cache import HubSource, Source, UrlSource, WheelSource

# Between two processes of one run, which trust each other; and a reader of plain data, which refuses the rest.
MAY_UNPICKLE = {"workers/embedding/stages.py", "lake/benchmarks/readers/pickles.py"}
_UNPICKLERS = {"pickle", "_pickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"}
_RUN = {"eval", "exec", "compile", "__import__"}


def dangers(code: str) -> Iterator[str]:
    """Calls and imports by which content could become code."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [name.name for name in node.names]
            yield from (name for name in names if name.split(".")[0] in _UNPICKLERS | {"yaml"})
        elif isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            given = {word.arg: ast.unparse(word.value) for word in node.keywords}
            yield from (called for _ in range(called in _RUN))
            yield from (called for _ in range(called.endswith("torch.load") and given.get("weights_only") != "True"))
            yield from (called for _ in range(given.get("allow_pickle", "False") != "False"))
            yield from (called for _ in range(given.get("trust_remote_code", "False") != "False"))
            yield from (called for _ in range(given.get("shell", "False") != "False"))
            yield from (called for _ in range(called in {"os.system", "os.popen", "tempfile.mktemp"}))
            yield from (called for _ in range(called.endswith(".extractall") and given.get("filter") != "'data'"))


def test_nothing_that_is_read_becomes_code():
    found = {
        f"{path.relative_to(ROOT)}: {danger}"
        for room in ROOMS
        for path in (ROOT / room).rglob("*.py")
        if str(path.relative_to(ROOT)) not in MAY_UNPICKLE
        for danger in dangers(path.read_text())
    }
    assert not found


@pytest.mark.parametrize(
    "code",
    [
        *("import pickle", "from joblib import load", "import yaml", "eval(text)", "os.system(line)"),
        *("torch.load(path)", "torch.load(path, weights_only=False)", "np.load(path, allow_pickle=True)"),
        *("Model.from_pretrained(folder, trust_remote_code=asked)", "run(line, shell=True)", "tar.extractall(folder)"),
    ],
)
def test_the_search_finds_what_it_looks_for(code):
    assert list(dangers(code))


def sources() -> list[Source]:
    found = {source.folder: source for entry in ENCODERS.values() for source in entry.weights}
    return [found[name] for name in sorted(found)]


@pytest.mark.parametrize("source", sources(), ids=lambda source: source.name)
def test_what_is_fetched_is_pinned(source):
    """A commit, a version, or an address of one: nobody who publishes another afterwards changes what is loaded.

    Of three no commit is known: they run only where a person says --allow-unproven.
    """
    match source:
        case HubSource(revision="main"):
            users = [entry for entry in ENCODERS.values() if source in entry.weights]
            assert all("no commit" in entry.unproven for entry in users)
        case HubSource():
            assert re.fullmatch("[0-9a-f]{40}", source.revision)
        case WheelSource():
            assert source.members
            assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in source.members.values())
        case UrlSource():
            fixed = source.sha256_of_file or re.search(r"/[0-9a-f]{40}/|/records?/\d+/", source.url)
            assert source.url.startswith("https://")
            assert fixed
        case Environment():
            assert all(re.fullmatch(r"[\w.\[\]-]+==[\w.]+", one) for one in source.requirements)
        case _:
            pytest.fail(f"how is {type(source).__name__} pinned?")


def test_the_places_that_may_unpickle_are_still_there():
    assert all(Path(ROOT, path).is_file() and list(dangers(Path(ROOT, path).read_text())) for path in MAY_UNPICKLE)
