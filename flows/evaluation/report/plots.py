"""Pictures of a report, each a matplotlib figure saved as PNG: bars a tag, reliability curves, a map, differences."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import numpy as np
from matplotlib import pyplot
from matplotlib.axes import Axes

from schemas.evaluations import LOWER_IS_BETTER
from workers.evaluation.scoring import Change
from workers.metrics.calibration import Reliability

_COLOURS = ("#2a6f97", "#e07a5f", "#5b8c5a", "#9c6fb5", "#c9a227", "#7a7a7a")
_MOST_BARS = 60
STYLE = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.prop_cycle": matplotlib.cycler(color=_COLOURS),
    "figure.constrained_layout.use": True,
    "savefig.dpi": 130,
    "text.parse_math": False,  # a title may hold dollars
}


@dataclass(frozen=True, slots=True)
class Place:
    """A point of the map: `kind` is track, tag or sentence; only tags and sentences show their text."""

    x: float
    y: float
    kind: str
    text: str


def tag_bars(path: Path, title: str, names: Sequence[str], areas: np.ndarray, counts: np.ndarray) -> None:
    """ROC-AUC of every tag, the best first; of more than sixty the thirty best and the thirty worst."""
    order = [int(place) for place in np.argsort(-areas) if not np.isnan(areas[place])]
    if len(order) > _MOST_BARS:
        title += f" (30 best and 30 worst of {len(order):,} tags)"
        order = order[: _MOST_BARS // 2] + order[-_MOST_BARS // 2 :]
    with pyplot.rc_context(STYLE):
        figure, axes = pyplot.subplots(figsize=(8, 1.2 + 0.17 * len(order)))
        rows = np.arange(len(order))
        axes.barh(rows, areas[order] - 0.5, left=0.5, color=np.where(areas[order] >= 0.5, _COLOURS[0], _COLOURS[1]))
        axes.axvline(0.5, color="black", linewidth=0.8)
        labels = [f"{names[place]}  ({int(counts[place])})" for place in order]
        axes.set(yticks=rows, yticklabels=labels, xlim=(0, 1), xlabel="ROC-AUC; 0.5 is chance; clips in brackets")
        axes.invert_yaxis()
        axes.margins(y=0.01)
        save(figure, axes, path, title)


def reliability_curves(path: Path, title: str, curves: dict[str, Reliability]) -> None:
    """How often what was said with a probability came true; the size of a point is the number of decisions."""
    with pyplot.rc_context(STYLE):
        figure, axes = pyplot.subplots(figsize=(5.2, 5))
        axes.plot([0, 1], [0, 1], color="black", linewidth=0.8, linestyle="--", label="perfect")
        for name, curve in curves.items():
            line = axes.plot(curve.confidence, curve.frequency, label=name)[0]
            sizes = 8 + 60 * np.sqrt(curve.count / curve.count.max())
            axes.scatter(curve.confidence, curve.frequency, s=sizes, color=line.get_color(), alpha=0.7)
        axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), xlabel="probability said", ylabel="share that came true")
        axes.legend(frameon=False, fontsize=8)
        save(figure, axes, path, title)


def space_map(path: Path, title: str, places: Sequence[Place]) -> None:
    """Tracks, tags and sentences of one space, flattened."""
    looks = {"track": (_COLOURS[0], "o", 14, 0.55), "sentence": (_COLOURS[2], "^", 34, 0.9)}
    looks["tag"] = (_COLOURS[1], "s", 26, 0.95)
    with pyplot.rc_context(STYLE):
        figure, axes = pyplot.subplots(figsize=(9, 7))
        for kind, (colour, marker, size, alpha) in looks.items():
            mine = [place for place in places if place.kind == kind]
            at = ([place.x for place in mine], [place.y for place in mine])
            axes.scatter(
                *at, c=colour, marker=marker, s=size, alpha=alpha, label=f"{kind}s ({len(mine)})", linewidths=0
            )
            for place in mine if kind != "track" else []:
                axes.annotate(
                    place.text, (place.x, place.y), xytext=(4, 2), textcoords="offset points", fontsize=7, color=colour
                )
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
        axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(0, -0.01), ncols=3)
        save(figure, axes, path, title)


def difference_plot(path: Path, title: str, rows: dict[str, Change]) -> None:
    """New minus old of each metric with its 95 % interval: blue is proven better, red worse, grey neither.

    Ranks are left to the table: their scale would hide all else.
    """
    rows = {name: found for name, found in rows.items() if name != "median_rank"}
    with pyplot.rc_context(STYLE):
        figure, axes = pyplot.subplots(figsize=(7, 1.2 + 0.32 * len(rows)))
        for row, found in enumerate(rows.values()):
            proven = found.low > 0 or found.high < 0
            better = (found.gain > 0) != (list(rows)[row] in LOWER_IS_BETTER)
            colour = _COLOURS[5] if not proven else _COLOURS[0] if better else _COLOURS[1]
            axes.plot([found.low, found.high], [row, row], color=colour, linewidth=2)
            axes.scatter([found.gain], [row], color=colour, zorder=3)
        axes.axvline(0, color="black", linewidth=0.8)
        axes.set(yticks=range(len(rows)), yticklabels=list(rows), xlabel="new - old, 95 % paired bootstrap interval")
        axes.invert_yaxis()
        save(figure, axes, path, title)


def save(figure: pyplot.Figure, axes: Axes, path: Path, title: str) -> None:
    """Under a title above these axes; the figure is closed."""
    axes.set_title(title, loc="left", fontsize=10, fontweight="bold")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")  # a script that the font lacks is drawn as boxes
        figure.savefig(path)
    pyplot.close(figure)
