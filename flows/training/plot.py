"""Plot of a training: losses and a metric of the validation split by epoch."""

import math
from pathlib import Path

from matplotlib import pyplot

from flows.evaluation.report.plots import STYLE, save_plot


def plot_training(path: Path, title: str, history: list[dict[str, float]], best_epoch: int) -> None:
    """Save the plot as a PNG; a vertical line marks the best epoch."""
    epochs = [row["epoch"] for row in history]
    with pyplot.rc_context(STYLE):
        figure, (loss_axes, recall_axes) = pyplot.subplots(2, 1, figsize=(7, 5.5), sharex=True)
        for name in ("train_loss", "valid_loss"):
            loss_axes.plot(epochs, [row[name] for row in history], label=name.replace("_", " "))
        recalls = [row.get("valid_recall@10", math.nan) for row in history]  # a classifier has none
        recall_axes.plot(epochs, recalls, label="recall@10 within validation batches")
        for axes in (loss_axes, recall_axes):
            axes.axvline(best_epoch, color="black", linewidth=0.8, linestyle="--", label="weights kept")
            axes.legend(frameon=False, fontsize=8)
        recall_axes.set(xlabel="epoch")
        save_plot(figure, loss_axes, path, title)
