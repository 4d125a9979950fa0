"""The worked examples of CONTRIBUTING.md run as they stand there."""

import re
from pathlib import Path

import numpy as np

from lake.releases.publish import draft, publish
from lake.releases.releases import take_snapshot
from schemas.settings import Settings
from tests.lake.rows import SPEC, make_small_lake

ROOT = Path(__file__).parents[1]


def example(title: str) -> dict[str, object]:
    """Run the code block whose module docstring begins so; return its names."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(), re.DOTALL)
    (source,) = [block for block in blocks if block.startswith(f'"""{title}')]
    names: dict[str, object] = {}
    exec(compile(source, "CONTRIBUTING.md", "exec"), names)
    return names


def test_the_encoder_embeds(tmp_path):
    (registration,) = example("Levels of eight frequency bands")["REGISTRATIONS"]
    encoder = registration.load(registration.spec, tmp_path)
    windows = np.random.default_rng(0).standard_normal((3, 16_000)).astype(np.float32)
    vectors = encoder.project(encoder.embed_windows(windows))
    assert vectors.shape == (3, registration.spec.head.dim)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)


def test_the_job_lists_tracks(tmp_path):
    lake = make_small_lake(str(tmp_path / "lake"))
    publish(lake, draft(None, take_snapshot(lake, SPEC), "run", "index"), print)
    rows = example("The longest tracks")["longest_tracks"](Settings(lake=lake.uri), 2)
    assert [row["duration_s"] for row in rows] == [10.0, 10.0]
