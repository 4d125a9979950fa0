"""How well cheap measures tell music with a voice from music without.

python -m tests.benchmarks.voice FOLDER

FOLDER holds the clips that tests/benchmarks/voice.tsv names: 16 kHz, mono, peak 0.9, repeated to 10 s if shorter. The
list, its labels and every rule below were fixed before the first score. A measure may become the column `voice` if it
reaches an area under the ROC curve of .85 for `sung` against `instrumental`. Clips with a label `fit-` only train.
"""

import argparse
import csv
import hashlib
from pathlib import Path

import numpy as np
import soundfile
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from schemas.settings import Settings
from workers.audio.windows import cut_windows
from workers.encoders.musicnn.tags import VOCABULARY
from workers.encoders.registry import find_by_name
from workers.metrics.bootstrap import interval
from workers.metrics.tagging import roc_auc

LIST = Path(__file__).with_suffix(".tsv")
VOICE_TAGS = (
    *("vocal", "vocals", "voice", "singing", "male", "female", "man", "woman", "male vocal", "female vocal"),
    *("male voice", "female voice", "choir", "choral", "opera"),
    *("female vocalists", "male vocalists", "female vocalist"),
)
NO_VOICE_TAGS = ("no vocals", "no vocal", "no voice", "instrumental")
RATE, SIZE, HOP, RESAMPLES = 16_000, 1024, 160, 2000
POSITIVES, NEGATIVES = ("sung", "mixed", "spoken"), ("instrumental", "unstated")


def main() -> None:
    """Print the area of each measure for each pair of labels as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    rows = list(csv.DictReader(LIST.open(), delimiter="\t"))
    scores = compute_scores(rows, parser.parse_args().folder)
    print("| voice | without | clips | recordings | measure | AUC | 95 % |\n|---|---|---|---|---|---|---|")
    for positive in POSITIVES:
        for negative in NEGATIVES:
            for name, values in scores.items():
                print(format_row(rows, positive, negative, name, values))
    for package in sorted({row["package"] for row in rows if row["label"] == "sung"}):
        kept = [i for i, row in enumerate(rows) if row["label"] != "sung" or row["package"] == package]
        chosen, values = [rows[i] for i in kept], scores["tags"][kept]
        print(format_row(chosen, "sung", "instrumental", f"tags, {package} alone", values))


def compute_scores(rows: list[dict[str, str]], folder: Path) -> dict[str, np.ndarray]:
    """Return the score [N] of each clip by each measure; higher means a voice."""
    entry = find_by_name("musicnn-conse")
    encoder = entry.load(entry.spec, Settings().models)
    features, modulation, glide = [], [], []
    for row in rows:
        audio = read_clip(folder / row["clip"], row["sha256"])
        windows = list(cut_windows(iter([audio]), entry.spec.backbone.windows))
        features.append(encoder.embed_windows(np.stack(windows)).mean(axis=0))
        spectrogram = compute_spectrogram(audio)
        modulation.append(measure_modulation(spectrogram))
        glide.append(measure_glide(spectrogram))
    stored = np.stack(features).astype(np.float16).astype(np.float32)
    probabilities = dict(zip(VOCABULARY, encoder.tag(stored).T, strict=True))
    voice = np.max([probabilities[tag] for tag in VOICE_TAGS], axis=0)
    none = np.max([probabilities[tag] for tag in NO_VOICE_TAGS], axis=0)
    return {
        "tags": voice - none,
        "probe": score_by_probe(rows, stored),
        "modulation": np.array(modulation),
        "glide": np.array(glide),
        **{f"tag {tag}": probabilities[tag] for tag in VOICE_TAGS},
        **{f"tag {tag}, negated": -probabilities[tag] for tag in NO_VOICE_TAGS},
    }


def read_clip(file: Path, sha256: str) -> np.ndarray:
    """Return the samples [S] of a clip; raises ValueError if it is another one."""
    if hashlib.sha256(file.read_bytes()).hexdigest() != sha256:
        raise ValueError(f"{file} is not the clip of {LIST.name}")
    audio, _ = soundfile.read(file, dtype="float32")
    return audio


def score_by_probe(rows: list[dict[str, str]], features: np.ndarray) -> np.ndarray:
    """Return the scores [N] of a logistic regression on musicnn's features."""
    labels = np.array([row["label"] for row in rows])
    fit = np.char.startswith(labels, "fit-")
    probe = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=1000))
    probe.fit(features[fit], labels[fit] == "fit-spoken")
    return np.asarray(probe.decision_function(features))


def compute_spectrogram(audio: np.ndarray) -> np.ndarray:
    """Return the magnitudes [T, SIZE // 2 + 1], a frame each 10 ms."""
    frames = np.lib.stride_tricks.sliding_window_view(audio, SIZE)[::HOP]
    return np.asarray(np.abs(np.fft.rfft(frames * np.hanning(SIZE), axis=1)))


def measure_modulation(spectrogram: np.ndarray) -> float:
    """Return the share of slow modulation that has the rate of syllables, 3 to 6 Hz."""
    edges = np.unique(np.geomspace(6, spectrogram.shape[1] - 1, 25).astype(int))
    bands = np.add.reduceat(spectrogram, edges, axis=1)[:, :-1]
    power = np.abs(np.fft.rfft(bands - bands.mean(axis=0), axis=0)) ** 2
    frequencies = np.fft.rfftfreq(len(bands), HOP / RATE)
    syllables, all_of_it = (frequencies >= 3) & (frequencies <= 6), (frequencies >= 0.5) & (frequencies <= 20)
    return float(power[syllables].sum() / max(power[all_of_it].sum(), 1e-12))


def measure_glide(spectrogram: np.ndarray) -> float:
    """Return the share of loud spans whose strongest partial glides, as in vibrato."""
    low, high = round(200 * SIZE / RATE), round(2000 * SIZE / RATE)
    logs = np.log(spectrogram + 1e-9)
    peaks = low + spectrogram[:, low:high].argmax(axis=1)
    left, middle, right = (logs[np.arange(len(logs)), peaks + step] for step in (-1, 0, 1))
    curvature = left - 2 * middle + right
    offset = np.where(curvature < 0, 0.5 * (left - right) / np.minimum(curvature, -1e-9), 0).clip(-0.5, 0.5)
    cents = 1200 * np.log2(peaks + offset)
    energy = spectrogram.sum(axis=1)
    spans = np.lib.stride_tricks.sliding_window_view(cents, 40)[::20]
    loud = np.lib.stride_tricks.sliding_window_view(energy > 0.05 * energy.max(), 40)[::20].all(axis=1)
    smooth = (np.abs(np.diff(spans, axis=1)) < 60).all(axis=1)
    spread = spans.std(axis=1)
    return float((loud & smooth & (spread > 10) & (spread < 150)).sum() / max(loud.sum(), 1))


def format_row(rows: list[dict[str, str]], positive: str, negative: str, name: str, scores: np.ndarray) -> str:
    """Return a line of the table. The bootstrap draws recordings, because clips of one recording are alike."""
    kept = [i for i, row in enumerate(rows) if row["label"] in (positive, negative)]
    truth = np.array([[rows[i]["label"] == positive] for i in kept])
    _, recording = np.unique([f"{rows[i]['package']}/{rows[i]['source']}" for i in kept], return_inverse=True)
    random, sides = np.random.default_rng(0), [np.unique(recording[truth[:, 0] == side]) for side in (True, False)]
    weights = np.zeros((RESAMPLES, recording.max() + 1), np.float32)
    for drawn in weights:
        for side in sides:
            np.add.at(drawn, random.choice(side, len(side)), 1)
    area = roc_auc(truth, scores[kept, None])[0]
    low, high = interval(roc_auc(truth, scores[kept, None], weights[:, recording])[:, 0])
    clips = f"{truth.sum()}, {(~truth).sum()} | {len(sides[0])}, {len(sides[1])}"
    return f"| {positive} | {negative} | {clips} | {name} | {area:.2f} | {low:.2f} to {high:.2f} |"


if __name__ == "__main__":
    main()
