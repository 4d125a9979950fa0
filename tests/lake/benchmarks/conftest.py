"""One tiny official layout a corpus, written once; tests that change files copy it."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from schemas.benchmarks import Benchmark
from tests.lake.benchmarks.layouts import LAYOUTS


@pytest.fixture(scope="session")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a corpus; read only."""
    written: dict[str, Path] = {}

    def of(corpus: str) -> Path:
        if corpus not in written:
            written[corpus] = tmp_path_factory.mktemp(corpus)
            LAYOUTS[corpus](written[corpus])
        return written[corpus]

    return of


@pytest.fixture
def own_copy(layout: Callable[[str], Path], tmp_path: Path) -> Callable[[Benchmark], Path]:
    """A copy of the benchmark's layout that the test may spoil."""
    return lambda benchmark: Path(shutil.copytree(layout(benchmark.corpus), tmp_path / "data"))
