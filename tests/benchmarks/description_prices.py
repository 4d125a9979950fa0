"""The price of a description, and of each column apart, as a share of the default encoder's time.

Both run on one core, in turns; the least of several repetitions counts.
"""

import time
from collections.abc import Callable, Iterator

import numpy as np
import soxr
import torch
from threadpoolctl import threadpool_limits

from schemas.settings import Settings
from tests.benchmarks.figures import Figure
from tests.benchmarks.rates import print_table
from workers.audio.windows import cut_windows
from workers.description.describer import Describer
from workers.description.intro import find_intro
from workers.description.key import KeyMeter
from workers.description.loudness import LoudnessMeter, integrated_loudness, loudness_range
from workers.description.mono import MonoMixer
from workers.description.tempo import TempoMeter
from workers.description.true_peak import TruePeakMeter
from workers.embedding.pooling import mean_pool
from workers.encoders.registry import find_by_name

RATE = 44_100
SECONDS = (30, 240)
BLOCK = 2 * RATE
ENCODER = "musicnn-conse"
WHOLE = "whole description"


def measure_prices(clip: tuple[np.ndarray, int], repetitions: int) -> dict[str, Figure]:
    """Print the prices for tracks of SECONDS and return the figures.

    `clip` is float32 [2, n] with its rate; it is repeated, and driven into saturation, because the true peak of loud
    music is the dearest.
    """
    samples = soxr.resample(clip[0].T, clip[1], RATE).T
    samples = np.tanh(4 * samples / np.abs(samples).max()).astype(np.float32)
    encoder_entry = find_by_name(ENCODER)
    encoder_entry.fetch_weights(Settings().models)
    encoder = encoder_entry.load(encoder_entry.spec, Settings().models)
    spec = encoder.spec.backbone.windows
    shares: dict[int, float] = {}
    columns: list[list[str]] = []
    torch.set_num_threads(1)
    with threadpool_limits(1):
        for seconds in SECONDS:
            track = np.ascontiguousarray(np.tile(samples, 1 + seconds * RATE // samples.shape[1])[:, : seconds * RATE])
            mono = soxr.resample(track.mean(axis=0), RATE, spec.sample_rate)
            works = {ENCODER: lambda: mean_pool(cut_windows(iter([mono]), spec), encoder)} | works_of(track)  # noqa: B023
            times = least_times(works, repetitions)
            shares[seconds] = times[WHOLE] / times[ENCODER]
            columns.append([f"{1000 * times[name]:,.1f} ms" for name in works])
            columns.append([f"{times[name] / times[ENCODER]:.1%}" for name in works])
    header = ("one core, stereo 44.1 kHz", *(label for seconds in SECONDS for label in (f"{seconds} s", "share")))
    print_table("price", header, [(name, *cells) for name, *cells in zip(works, *columns, strict=True)])
    return {f"share_{seconds}s": Figure(100 * share, "% of the encoder's time") for seconds, share in shares.items()}


def works_of(track: np.ndarray) -> dict[str, Callable[[], object]]:
    """Return the description of a track, float32 [2, n], as a whole and in parts."""
    stretches = list(mix(track))
    meter = LoudnessMeter()
    for block in blocks(track):
        meter.add(block, RATE)
    energies = meter.energies()
    loudness = integrated_loudness(energies)
    return {
        WHOLE: lambda: describe(track),
        "loudness_lufs, loudness_range": lambda: measure_loudness(track),
        "true_peak_db": lambda: add_all(TruePeakMeter(), blocks(track)),
        "mono, for tempo and key": lambda: list(mix(track)),
        "bpm": lambda: add_all(TempoMeter(), stretches).finish(),
        "musical_key": lambda: add_all(KeyMeter(), stretches).finish(),
        "intro_s": lambda: find_intro(energies, loudness),
    }


def describe(track: np.ndarray) -> object:
    """Describe a track in chunks as decoding gives them."""
    describer = Describer()
    for start in range(0, track.shape[1], 1 << 17):
        describer.add(track[:, start : start + (1 << 17)], RATE)
    return describer.finish()


def measure_loudness(track: np.ndarray) -> object:
    """Measure loudness and its range."""
    meter = LoudnessMeter()
    for block in blocks(track):
        meter.add(block, RATE)
    return integrated_loudness(meter.energies()), loudness_range(meter.energies())


def add_all(meter: TempoMeter | KeyMeter | TruePeakMeter, parts: Iterator[np.ndarray] | list[np.ndarray]) -> object:
    """Add all parts to a meter and return it."""
    for part in parts:
        meter.add(part)
    return meter


def mix(track: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the stretches of a track."""
    mixer = MonoMixer()
    for block in blocks(track):
        yield from mixer.add(block, RATE)
    yield from mixer.finish()


def blocks(track: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the blocks of a track."""
    for start in range(0, track.shape[1], BLOCK):
        yield track[:, start : start + BLOCK]


def least_times(works: dict[str, Callable[[], object]], repetitions: int) -> dict[str, float]:
    """Return the least seconds of each work; they take turns."""
    times = dict.fromkeys(works, float("inf"))
    for _ in range(1 + repetitions):
        for name, work in works.items():
            started = time.perf_counter()
            work()
            times[name] = min(times[name], time.perf_counter() - started)
    return times
