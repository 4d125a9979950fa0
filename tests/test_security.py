"""No code runs what it reads or fetches what is not pinned, as docs/security.md promises."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.test_architecture import ROOMS, ROOT
from workers.encoders.registry import ENCODERS
from workers.weights.sources import HubSource, Source, UrlSource, WheelSource

# The first passes data between processes of one run, which trust each other. The second reads plain data only.
MAY_UNPICKLE = {"workers/embedding/stages.py", "lake/benchmarks/readers/pickles.py"}
_UNPICKLERS = {"pickle", "_pickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"}
_RUN = {"eval", "exec", "compile", "__import__"}


def find_dangers(code: str) -> Iterator[str]:
    """Yield the calls and imports by which content could become code."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [name.name for name in node.names]
            yield from (name for name in names if name.split(".")[0] in _UNPICKLERS | {"yaml"})
        elif isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            keywords = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
            yield from (called for _ in range(called in _RUN))
            yield from (
                called for _ in range(called.endswith("torch.load") and keywords.get("weights_only") != "True")
            )
            yield from (called for _ in range(keywords.get("allow_pickle", "False") != "False"))
            yield from (called for _ in range(keywords.get("trust_remote_code", "False") != "False"))
            yield from (called for _ in range(keywords.get("shell", "False") != "False"))
            yield from (called for _ in range(called in {"os.system", "os.popen", "tempfile.mktemp"}))
            yield from (called for _ in range(called.endswith(".extractall") and keywords.get("filter") != "'data'"))


def test_nothing_that_is_read_becomes_code():
    dangers = {
        f"{path.relative_to(ROOT)}: {danger}"
        for room in ROOMS
        for path in (ROOT / room).rglob("*.py")
        if str(path.relative_to(ROOT)) not in MAY_UNPICKLE
        for danger in find_dangers(path.read_text())
    }
    assert not dangers


@pytest.mark.parametrize(
    "code",
    [
        *("import pickle", "from joblib import load", "import yaml", "eval(text)", "os.system(line)"),
        *("torch.load(path)", "torch.load(path, weights_only=False)", "np.load(path, allow_pickle=True)"),
        *(
            "Model.from_pretrained(folder, trust_remote_code=trusted)",
            "run(line, shell=True)",
            "tar.extractall(folder)",
        ),
    ],
)
def test_the_search_finds_each_danger(code):
    assert list(find_dangers(code))


def list_sources() -> list[Source]:
    by_folder = {source.folder: source for entry in ENCODERS.values() for source in entry.weights}
    return [by_folder[name] for name in sorted(by_folder)]


@pytest.mark.parametrize("source", list_sources(), ids=lambda source: source.name)
def test_what_is_fetched_is_pinned(source):
    """Each is a commit, a version, or the address of one: a later upload does not change what is loaded.

    Three have no known commit: they run only with --allow-unpinned.
    """
    match source:
        case HubSource(revision="main"):
            users = [entry for entry in ENCODERS.values() if source in entry.weights]
            assert all("no commit" in entry.unpinned for entry in users)
        case HubSource():
            assert re.fullmatch("[0-9a-f]{40}", source.revision)
        case WheelSource():
            assert source.members
            assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in source.members.values())
        case UrlSource():
            fixed = source.sha256_of_file or re.search(r"/[0-9a-f]{40}/|/records?/\d+/", source.url)
            assert source.url.startswith("https://")
            assert fixed
        case _:
            pytest.fail(f"how is {type(source).__name__} pinned?")


def test_the_files_that_may_unpickle_still_do():
    assert all(
        Path(ROOT, path).is_file() and list(find_dangers(Path(ROOT, path).read_text())) for path in MAY_UNPICKLE
    )
