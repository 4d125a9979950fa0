"""A small labelled folder whose sounds even the fake encoder tells apart, and the same in GTZAN's layout."""

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from flows.evaluation.evaluate import evaluate
from flows.evaluation.request import EvaluateRequest
from schemas.settings import Settings
from tests.audio_files import sndfile

RATE = 16_000
SOUNDS = {"bright": 4000, "dark": 150}
SPLITS = {"train": 8, "valid": 4, "test": 6}  # clips of each sound


def render_sound(name: str, seed: int, seconds: float = 2.2) -> bytes:
    """Render a high or a low tone in noise, as a wav file."""
    rng = np.random.default_rng(seed)
    time = np.arange(int(seconds * RATE)) / RATE
    pitch = SOUNDS[name] * (1 + 0.2 * rng.random())
    samples = 0.4 * np.sin(2 * np.pi * pitch * time) + 0.01 * rng.standard_normal(len(time))
    return sndfile(samples[None].astype(np.float32), rate=RATE)


def write_labelled_folder(folder: Path) -> Path:
    """Write 36 wav files and their labels.csv: tags, a caption for the dark ones, splits."""
    folder.mkdir(parents=True)
    rows = [
        {"path": path, "split": split, "tags": f"{name};tone", "caption": f"a {name} tone" if name == "dark" else ""}
        for split, name, path in write_tones(folder)
    ]
    write_labels(folder, rows)
    return folder


def write_tones(folder: Path) -> Iterator[tuple[str, str, str]]:
    """Write 36 wav files; yield the split, the sound and the file's name of each."""
    sounds = ((split, number, name) for split, count in SPLITS.items() for number in range(count) for name in SOUNDS)
    for seed, (split, number, name) in enumerate(sounds, start=1):
        path = f"{split}-{name}-{number}.wav"
        (folder / path).write_bytes(render_sound(name, seed))
        yield split, name, path


def write_labels(folder: Path, rows: list[dict[str, str]]) -> None:
    with (folder / "labels.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)


def read_labels(folder: Path) -> list[dict[str, str]]:
    with (folder / "labels.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def write_gtzan(folder: Path) -> Path:
    """Write GTZAN as its archive and its fault-filtered lists unpack: two genres, one of them bright."""
    seed = 100
    for split, count in SPLITS.items():
        names = []
        for genre, name in (("metal", "bright"), ("jazz", "dark")):
            for _ in range(count):
                seed += 1
                names.append(f"{genre}/{genre}.{seed:05d}.wav")
                path = folder / "genres" / names[-1]
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(render_sound(name, seed))
        (folder / f"{split}_filtered.txt").write_text("\n".join(names) + "\n")
    return folder


def evaluate_folder(lake: object, folder: Path, *protocols: str, **options: object) -> list[dict[str, object]]:
    """Run `tonelake evaluate folder` with the fake encoder, in this process, so that Ray starts only once.

    Return what `--json` prints.
    """
    request = EvaluateRequest(("folder",), str(folder), protocols=protocols, **options)
    figures = evaluate(request, Settings(lake=str(lake), encoder="fake"))
    return [figure.to_json() for figure in figures]
