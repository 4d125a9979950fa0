"""The plot of a training: its losses, and a figure of the validation split, over the epochs."""

import math
from pathlib import Path

from matplotlib import pyplot

from flows.evaluation.report.plots import STYLE, save


def training_plot(path: Path, title: str, history: list[dict[str, float]], best_epoch: int) -> None:
    """A PNG; the line across stands at the epoch whose weights were kept."""
    epochs = [row["epoch"] for row in history]
    with pyplot.rc_context(STYLE):
        figure, (above, below) = pyplot.subplots(2, 1, figsize=(7, 5.5), sharex=True)
        for name in ("train_loss", "valid_loss"):
            above.plot(epochs, [row[name] for row in history], label=name.replace("_", " "))
        recalls = [row.get("valid_recall@10", math.nan) for row in history]  # a classifier has none
        below.plot(epochs, recalls, label="recall@10 within validation batches")
        for axes in (above, below):
            axes.axvline(best_epoch, color="black", linewidth=0.8, linestyle="--", label="weights kept")
            axes.legend(frameon=False, fontsize=8)
        below.set(xlabel="epoch")
        save(figure, above, path, title)
