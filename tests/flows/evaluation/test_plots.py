"""The map of a report: its labels can be read."""

from itertools import combinations

import numpy as np

from flows.evaluation.report import plots
from flows.evaluation.report.plots import Point


def test_no_label_lies_on_another_and_crowded_points_lose_theirs(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(plots, "save_plot", lambda figure, axes, *_: drawn.append((figure, axes)))
    rng = np.random.default_rng(0)
    spots = np.vstack([rng.standard_normal((30, 2)), 0.01 * rng.standard_normal((30, 2)) + 5])
    points = [Point(x, y, ("tag", "sentence")[row % 2], f"music of kind {row}") for row, (x, y) in enumerate(spots)]
    plots.plot_space(tmp_path / "map.png", "a map", points)
    ((figure, axes),) = drawn
    boxes = [text.get_window_extent() for text in axes.texts]
    assert 25 < len(boxes) < 60
    assert not any(first.overlaps(second) for first, second in combinations(boxes, 2))
    assert all(figure.bbox.contains(*corner) for box in boxes for corner in (box.min, box.max))
