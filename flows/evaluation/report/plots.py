"""Plots of a report, each a PNG: tags, reliability, the embedding space, differences."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import numpy as np
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.transforms import Bbox

from schemas.evaluations import LOWER_IS_BETTER
from workers.evaluation.scoring import Change
from workers.metrics.calibration import Reliability

_COLOURS = ("#2a6f97", "#e07a5f", "#5b8c5a", "#9c6fb5", "#c9a227", "#7a7a7a")
_BLUE, _RED, _GREEN, _GREY = _COLOURS[0], _COLOURS[1], _COLOURS[2], _COLOURS[5]
_MAX_BARS = 60
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
class Point:
    """A point of the embedding space in two dimensions.

    `kind` is track, tag or sentence; the plot shows the text of tags and sentences only.
    """

    x: float
    y: float
    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class _Marker:
    colour: str
    shape: str
    size: int
    alpha: float


_MARKERS = {
    "track": _Marker(_BLUE, "o", 14, 0.55),
    "sentence": _Marker(_GREEN, "^", 34, 0.9),
    "tag": _Marker(_RED, "s", 26, 0.95),
}


# Where a label may stand, in points right of and above its point; the nearest places come first.
_LABEL_OFFSETS = [
    (distance * right, distance * up)
    for distance in (6, 10, 16, 24, 34)
    for right, up in ((1, 0.4), (-1, 0.4), (1, -1.2), (-1, -1.2), (0, 1.6), (0, -1.6), (1, 1.6), (-1, 1.6))
]
_MARKER_PIXELS = 4  # from the middle of a marker to its edge


def plot_tags(path: Path, title: str, names: Sequence[str], areas: np.ndarray, counts: np.ndarray) -> None:
    """Plot the ROC-AUC of every tag, best first.

    Of more than 60 tags only the 30 best and the 30 worst are plotted. `areas` [C] is NaN for tags that have
    none; `counts` [C] is the number of clips with the tag.
    """
    order = [int(index) for index in np.argsort(-areas) if not np.isnan(areas[index])]
    if len(order) > _MAX_BARS:
        title += f" (30 best and 30 worst of {len(order):,} tags)"
        order = order[: _MAX_BARS // 2] + order[-_MAX_BARS // 2 :]
    with pyplot.rc_context(STYLE):
        figure, axes = pyplot.subplots(figsize=(8, 1.2 + 0.17 * len(order)))
        rows = np.arange(len(order))
        axes.barh(rows, areas[order] - 0.5, left=0.5, color=np.where(areas[order] >= 0.5, _BLUE, _RED))
        axes.axvline(0.5, color="black", linewidth=0.8)
        labels = [f"{names[index]}  ({int(counts[index])})" for index in order]
        axes.set(yticks=rows, yticklabels=labels, xlim=(0, 1), xlabel="ROC-AUC; 0.5 is chance; clips in brackets")
        axes.invert_yaxis()
        axes.margins(y=0.01)
        save_plot(figure, axes, path, title)


def plot_reliability(path: Path, title: str, curves: dict[str, Reliability]) -> None:
    """Plot how often predictions of a probability came true; larger points stand for more decisions."""
    with pyplot.rc_context(STYLE):
        figure, axes = pyplot.subplots(figsize=(5.2, 5))
        axes.plot([0, 1], [0, 1], color="black", linewidth=0.8, linestyle="--", label="perfect")
        for name, curve in curves.items():
            line = axes.plot(curve.confidence, curve.frequency, label=name)[0]
            sizes = 8 + 60 * np.sqrt(curve.count / curve.count.max())
            axes.scatter(curve.confidence, curve.frequency, s=sizes, color=line.get_color(), alpha=0.7)
        axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), xlabel="predicted probability", ylabel="share that came true")
        axes.legend(frameon=False, fontsize=8)
        save_plot(figure, axes, path, title)


def plot_space(path: Path, title: str, points: Sequence[Point]) -> None:
    """Plot tracks, tags and sentences of one embedding space in two dimensions."""
    with pyplot.rc_context(STYLE):
        figure, axes = pyplot.subplots(figsize=(9, 7))
        for kind, marker in _MARKERS.items():
            group = [point for point in points if point.kind == kind]
            axes.scatter(
                [point.x for point in group],
                [point.y for point in group],
                c=marker.colour,
                marker=marker.shape,
                s=marker.size,
                alpha=marker.alpha,
                label=f"{kind}s ({len(group)})",
                linewidths=0,
            )
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
        axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(0, -0.01), ncols=3)
        _set_title(axes, title)
        figure.draw_without_rendering()  # only then the places of the points are known
        _label_points(axes, [point for point in points if point.kind != "track"])
        save_plot(figure, axes, path, title)


def _label_points(axes: Axes, points: Sequence[Point]) -> None:
    """Write each point's text beside it, where neither another text nor another point is.

    A point without such a place stays without text.
    """
    taken = [_marker_box(axes, point) for point in points]
    for point in points:
        for right, up in _LABEL_OFFSETS:
            label = axes.annotate(
                point.text,
                (point.x, point.y),
                xytext=(right, up),
                textcoords="offset points",
                ha="left" if right > 0 else "right" if right < 0 else "center",
                va="center",
                fontsize=7,
                color=_MARKERS[point.kind].colour,
            )
            label.set_in_layout(False)  # else the layout would move the points again
            box, inside = label.get_window_extent(), axes.figure.bbox
            if inside.contains(*box.min) and inside.contains(*box.max) and not box.count_overlaps(taken):
                taken.append(box)
                break
            label.remove()


def _marker_box(axes: Axes, point: Point) -> Bbox:
    x, y = axes.transData.transform((point.x, point.y))
    return Bbox.from_extents(x - _MARKER_PIXELS, y - _MARKER_PIXELS, x + _MARKER_PIXELS, y + _MARKER_PIXELS)


def plot_differences(path: Path, title: str, changes: dict[str, Change]) -> None:
    """Plot new minus old of each metric with its 95 % interval.

    Blue is certainly better, red certainly worse, grey neither. Ranks are in the table only: their scale would hide
    the other metrics.
    """
    changes = {name: change for name, change in changes.items() if name != "median_rank"}
    with pyplot.rc_context(STYLE):
        figure, axes = pyplot.subplots(figsize=(7, 1.2 + 0.32 * len(changes)))
        for row, (name, change) in enumerate(changes.items()):
            is_certain = change.low > 0 or change.high < 0
            is_better = (change.gain > 0) != (name in LOWER_IS_BETTER)
            colour = (_BLUE if is_better else _RED) if is_certain else _GREY
            axes.plot([change.low, change.high], [row, row], color=colour, linewidth=2)
            axes.scatter([change.gain], [row], color=colour, zorder=3)
        axes.axvline(0, color="black", linewidth=0.8)
        axes.set(
            yticks=range(len(changes)), yticklabels=list(changes), xlabel="new - old, 95 % paired bootstrap interval"
        )
        axes.invert_yaxis()
        save_plot(figure, axes, path, title)


def save_plot(figure: pyplot.Figure, axes: Axes, path: Path, title: str) -> None:
    """Put the title above `axes`, save the figure and close it."""
    _set_title(axes, title)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")  # a script that the font lacks is drawn as boxes
        figure.savefig(path)
    pyplot.close(figure)


def _set_title(axes: Axes, title: str) -> None:
    axes.set_title(title, loc="left", fontsize=10, fontweight="bold")
