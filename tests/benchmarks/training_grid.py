"""Frameworks, text towers and text representations beside each other, by several seeds, on cached features.

python -m tests.benchmarks.training_grid MANIFEST [--encoder musicnn] [--seeds 3] [--work FOLDER] [--epochs 50]

Source: the grid of S. Doh et al., "Toward Universal Text-to-Music Retrieval" (ICASSP 2023). Features are indexed
once into the lake of TONELAKE_LAKE; each training is of one core, without Ray. What a run found is kept in the work
folder, so that a broken grid goes on where it was. Intervals are of 95 %, over resampled queries or clips of the
test split, of the mean over seeds; "±" is the deviation from seed to seed.
"""

import argparse
import hashlib
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import torch

from flows.console.progress import track
from flows.training.dataset import Material, TextVectors, features_of, training_data
from schemas.settings import Settings
from schemas.training import REPRESENTATIONS, TEXTS, Cell
from workers.encoders.joint.net import joint_of
from workers.encoders.joint.text_tower import JointTexts, TagsInTexts
from workers.evaluation.predictions import Items, from_table
from workers.evaluation.scoring import measure
from workers.joint.held_out_evaluation import proven
from workers.joint.train import train_here
from workers.metrics.bootstrap import interval, resamples

RESAMPLES = 300
COLUMNS = (
    ("tag-retrieval", "map@10"),
    ("tag-retrieval", "recall@10"),
    ("all-tags-retrieval", "recall@10"),
    ("sentence-retrieval", "recall@10"),
    ("zero-shot", "roc_auc"),
)


def main() -> None:
    """Trains what is missing, and prints the table as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest")
    parser.add_argument("--encoder", default="musicnn")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--work", type=Path, default=Path("grid"))
    asked = parser.parse_args()
    asked.work.mkdir(parents=True, exist_ok=True)
    settings = Settings()
    material = features_of(asked.manifest, asked.encoder, settings)
    readers = {text: TextVectors(text, settings.models, asked.work / f"texts-{text}.npz") for text in TEXTS}
    usual = Cell(encoder=asked.encoder, epochs=asked.epochs)
    runs = [replace(cell, seed=seed) for cell in cells(usual) for seed in range(asked.seeds)]
    found: dict[str, list[dict[str, Items]]] = {}
    for cell in track(runs, f"training {len(runs)} times"):
        found.setdefault(cell.name, []).append(items_of(cell, material, readers[cell.text], asked.work, settings))
    print(table(found, {name: len(split) for name, split in material.splits.items()}))


def cells(usual: Cell) -> Iterator[Cell]:
    """The grid: a classifier, and what reads texts; sentences in BERT's case also in the clips' own words."""
    yield replace(usual, framework="classification")
    for framework in ("triplet", "contrastive"):
        for text, representation in product(TEXTS, REPRESENTATIONS):
            yield replace(usual, framework=framework, text=text, representation=representation)
        yield replace(usual, framework=framework, text="bert", representation="sentence", own_sentences=True)


def items_of(cell: Cell, material: Material, known: TextVectors, work: Path, settings: Settings) -> dict[str, Items]:
    """What a cell's training finds on the test split: from the work folder where it is there."""
    told = json.dumps([cell.to_json(), material.digest], sort_keys=True)
    folder = work / f"{cell.name}-{cell.seed}-{hashlib.sha256(told.encode()).hexdigest()[:12]}"
    if not (folder / "done").is_file():
        started = time.perf_counter()
        state = train_here(cell, training_data(material, cell, known), settings.models)
        joint = joint_of(cell, state.best)
        tower = TagsInTexts(joint.centroids, material.vocabulary) if joint.text is None else None
        test = material.splits["test"]
        with torch.inference_mode():
            vectors = joint(torch.from_numpy(test.features), None)[0].numpy()
        folder.mkdir(exist_ok=True)
        reader = tower or JointTexts(joint, known)
        for name, items in proven(list(test.clips), vectors, reader, "{}", material.vocabulary).items():
            pq.write_table(items.to_table(), folder / f"{name}.parquet")
        seconds = time.perf_counter() - started
        (folder / "done").write_text(json.dumps({"seconds": seconds, "epochs": state.epoch, "best": state.best_epoch}))
    return {file.stem: from_table(pq.read_table(file)) for file in sorted(folder.glob("*.parquet"))}


def table(found: dict[str, list[dict[str, Items]]], clips: dict[str, int]) -> str:
    """Markdown: a row a cell."""
    heads = [f"{protocol} {metric}" for protocol, metric in COLUMNS]
    lines = [f"{clips['train']:,} training, {clips['valid']:,} validation and {clips['test']:,} test clips", ""]
    lines += ["| cell | " + " | ".join(heads) + " |", "|---|" + "---|" * len(heads)]
    for name, runs in found.items():
        lines.append(f"| {name} | " + " | ".join(told(runs, *column) for column in COLUMNS) + " |")
    return "\n".join(lines)


def told(runs: list[dict[str, Items]], protocol: str, metric: str) -> str:
    """The mean over seeds, its interval over resamples of the items, and the seeds' deviation."""
    if protocol not in runs[0]:
        return "-"
    weights = resamples(len(runs[0][protocol].ids), RESAMPLES)
    values = [float(measure(run[protocol])[metric]) for run in runs]
    spread = np.mean([measure(run[protocol], weights)[metric] for run in runs], axis=0)
    low, high = interval(spread)
    seeds = f" ±{np.std(values, ddof=1):.3f}" if len(values) > 1 else ""
    return f"{np.mean(values):.3f} ({low:.3f}–{high:.3f}){seeds}"


if __name__ == "__main__":
    main()
