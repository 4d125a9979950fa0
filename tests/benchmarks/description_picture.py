"""A picture of a track's onsets with the beats of its tempo, and of its chroma with the profile of its key.

python -m tests.benchmarks.description_picture OUT.png FILE [FILE ...] [--start 30] [--seconds 10]

It needs matplotlib, of the extra "report".
"""

import argparse
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from schemas.audio import ACCEPTABLE
from schemas.descriptions import KEYS, Description
from workers.audio.decode import decode
from workers.audio.verdicts import AudioInspector
from workers.description.describer import Describer
from workers.description.key import estimate_tuning, fold_to_chroma, pitch_histograms
from workers.description.mono import RATE, MonoMixer
from workers.description.tempo import FRAME_RATE, onset_strength


def main() -> None:
    """Describe the files and draw a row for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--start", type=float, default=30.0, help="seconds; the middle if the file is shorter")
    parser.add_argument("--seconds", type=float, default=10.0, help="of onsets that are drawn")
    arguments = parser.parse_args()
    figure = Figure(figsize=(14, 2.6 * len(arguments.files)), layout="constrained")
    rows = figure.subplots(len(arguments.files), 2, squeeze=False, width_ratios=(3, 1))
    for path, (onsets, chroma) in zip(arguments.files, rows, strict=True):
        description, sound = describe_file(path)
        start = min(arguments.start, max(0.0, len(sound) / RATE / 2 - arguments.seconds / 2))
        excerpt = sound[round(start * RATE) : round((start + arguments.seconds) * RATE)]
        onsets.set_title(f"{path.stem}: {_summary(description)}", fontsize=9, loc="left")
        draw_onsets(onsets, onset_strength(excerpt), description.bpm, start)
        draw_chroma(chroma, pitch_histograms(sound).sum(axis=0), description)
    figure.savefig(arguments.out, dpi=110)
    print(f"{len(arguments.files)} tracks are drawn in {arguments.out}")


def describe_file(path: Path) -> tuple[Description, np.ndarray]:
    """Return the description of a file and its mono sound at RATE, float32 [n]."""
    describer, mixer = Describer(), MonoMixer()
    parts: list[np.ndarray] = []
    with path.open("rb") as file:
        for chunk in decode(file, AudioInspector(ACCEPTABLE)):
            describer.add(chunk.samples, chunk.rate)
            parts.extend(mixer.add(chunk.samples, chunk.rate))
    parts.extend(mixer.finish())
    return describer.finish(), np.concatenate(parts)


def draw_onsets(axes: Axes, strength: np.ndarray, bpm: float | None, start: float) -> None:
    """Draw the onset strength [frames] from `start` seconds on, and the beats that meet it best."""
    time = start + np.arange(len(strength)) / FRAME_RATE
    axes.plot(time, np.maximum(strength, 0), color="tab:blue", linewidth=0.8)
    if bpm:
        for beat in beats_of(strength, bpm):
            axes.axvline(start + beat, color="tab:red", linewidth=0.8, alpha=0.6)
    axes.set(xlim=(time[0], time[-1]), yticks=[], xlabel="seconds", ylabel="onset strength")


def beats_of(strength: np.ndarray, bpm: float) -> np.ndarray:
    """Return the seconds of the beats: a grid of the tempo, shifted to where the onsets [frames] are."""
    period = 60 / bpm
    count = int(len(strength) / FRAME_RATE / period) - 1
    shifts = np.linspace(0, period, 60, endpoint=False)
    grids = shifts[:, None] + period * np.arange(max(count, 1))
    sums = np.interp(grids, np.arange(len(strength)) / FRAME_RATE, strength).sum(axis=1)
    return grids[int(sums.argmax())]


def draw_chroma(axes: Axes, histogram: np.ndarray, description: Description) -> None:
    """Draw the weight of each pitch class of a histogram [bins]; the tonic's triad is red."""
    chroma = fold_to_chroma(histogram, estimate_tuning(histogram)[0])
    colours = ["tab:blue"] * 12
    if description.musical_key:
        tonic = KEYS.index(description.musical_key)
        for step in (0, 4 if description.mode == "major" else 3, 7):
            colours[(tonic + step) % 12] = "tab:red"
    axes.bar(KEYS, chroma / max(float(chroma.max()), 1e-12), color=colours)
    axes.set(yticks=[], ylabel="chroma")


def _summary(description: Description) -> str:
    tempo = f"{description.bpm:.1f} bpm ({description.bpm_confidence:.2f})" if description.bpm else "no tempo"
    key = f"{description.musical_key} {description.mode} ({description.key_confidence:.2f}), {description.camelot}"
    return f"{tempo}; {key if description.musical_key else 'no key'}; {description.loudness_lufs:.1f} LUFS"


if __name__ == "__main__":
    main()
