"""What uploads may take: vectors that are kept, bytes, seconds, memory."""

import subprocess
import sys

import numpy as np

from flows.web import embedding_process, uploads
from tests.cli import environment


def test_so_many_vectors_are_kept():
    vectors = uploads.UploadVectors(kept=2)
    for name in "abc":
        vectors.add(("v", name), 1.0, np.ones(2))
    assert set(vectors) == {("v", "b"), ("v", "c")}
    assert vectors[("v", "b")].sum() == 2
    vectors.add(("v", "d"), 1.0, np.ones(2))
    assert set(vectors) == {("v", "b"), ("v", "d")}  # what was used stays
    assert ("v", "a") not in vectors
    assert vectors.get(("v", "a")) is None
    assert vectors.seconds(("v", "a")) is None


def test_the_limits_are_those_of_the_page():
    assert (embedding_process.MAX_BYTES, embedding_process.MAX_SECONDS) == (64 << 20, 900)


def test_the_process_may_take_so_much_memory_and_no_more():
    code = (
        "from flows.web.embedding_process import _limit_memory; import numpy; _limit_memory(1 << 28); "
        "numpy.ones(1 << 20); numpy.ones(1 << 27)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=False
    )
    assert "MemoryError" in result.stderr
