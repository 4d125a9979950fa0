"""The idle share of a GPU over time, and its picture. In a rehearsal without a GPU, that of the cores."""

import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import matplotlib as mpl
import psutil

mpl.use("Agg")
from matplotlib import pyplot

PERIOD = 0.2  # seconds between samples

Samples = list[tuple[float, float]]  # seconds from the start, idle share


@contextmanager
def watch_idle(*, on_gpu: bool) -> Iterator[Samples]:
    """Sample the idle share in a thread.

    For a GPU, nvidia-smi tells in what part of the last period a kernel ran.
    """
    samples: Samples = []
    if not on_gpu:
        stop = threading.Event()
        thread = threading.Thread(target=_sample_cores, args=(samples, stop))
        thread.start()
        yield samples
        stop.set()
        thread.join()
        return
    program = shutil.which("nvidia-smi")
    if program is None:
        yield samples
        return
    query = [
        "--query-gpu=utilization.gpu",
        "--format=csv,noheader,nounits",
        f"--loop-ms={PERIOD * 1000:.0f}",
        "--id=0",
    ]
    with subprocess.Popen([program, *query], stdout=subprocess.PIPE, text=True) as process:
        thread = threading.Thread(target=_read_utilisation, args=(samples, process))
        thread.start()
        yield samples
        process.terminate()
        thread.join()


def _sample_cores(samples: Samples, stop: threading.Event) -> None:
    started = time.monotonic()
    while not stop.is_set():
        samples.append((time.monotonic() - started, 1 - psutil.cpu_percent(PERIOD) / 100))


def _read_utilisation(samples: Samples, process: subprocess.Popen[str]) -> None:
    started = time.monotonic()
    for line in process.stdout or ():
        if line.strip().isdigit():  # a GPU that is divided reports [N/A]
            samples.append((time.monotonic() - started, 1 - int(line) / 100))


def mean_idle(samples: Samples, period: tuple[float, float]) -> float:
    """Return the mean idle share in a period, or that of the nearest sample if none lies in it."""
    start, stop = period
    inside = [idle for moment, idle in samples if start <= moment <= stop]
    if not inside:
        inside = [min(samples, key=lambda sample: abs(sample[0] - start))[1]]
    return sum(inside) / len(inside)


def draw_idle(samples: Samples, period: tuple[float, float], device: str, path: Path) -> None:
    """Draw the idle share over time; the period over which the mean is taken is shaded."""
    figure, axes = pyplot.subplots(figsize=(9, 3), layout="constrained")
    axes.step([moment for moment, _ in samples], [100 * idle for _, idle in samples], where="post")
    axes.axvspan(*period, alpha=0.15)
    axes.set(xlabel="seconds from the start of the run", ylabel=f"{device}: % idle", ylim=(0, 100), xlim=(0, None))
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    pyplot.close(figure)
