"""A comparison of frameworks, text towers and text representations over several seeds.

python -m tests.benchmarks.training_grid MANIFEST [--encoder musicnn] [--seeds 3] [--work FOLDER] [--epochs 50]

Source: the grid of S. Doh et al., "Toward Universal Text-to-Music Retrieval" (ICASSP 2023). Features are indexed
once into the lake of TONELAKE_LAKE; each training uses one core, without Ray. The predictions of each run are kept in
the work folder, so that an interrupted grid can be resumed. Intervals are 95 % intervals of the mean over seeds, over
resampled queries or clips of the test split; "±" is the deviation between seeds.
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

from flows.console.progress import with_progress
from flows.training.dataset import TextVectors, TrainingSet, load_features, training_data
from schemas.settings import Settings
from schemas.training import REPRESENTATIONS, TEXTS, TrainingConfig
from workers.encoders.base.interface import TextTower
from workers.encoders.joint.net import build_joint
from workers.encoders.joint.text_tower import JointTextTower, TagTextTower
from workers.evaluation.predictions import Predictions, from_table
from workers.evaluation.scoring import compute_metrics
from workers.joint.held_out_evaluation import evaluate_held_out
from workers.joint.train import train_locally
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
    """Train the missing configurations and print the table as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest")
    parser.add_argument("--encoder", default="musicnn")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--work", type=Path, default=Path("grid"))
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    settings = Settings()
    training_set = load_features(arguments.manifest, arguments.encoder, settings)
    readers = {text: TextVectors(text, settings.models, arguments.work / f"texts-{text}.npz") for text in TEXTS}
    base = TrainingConfig(encoder=arguments.encoder, epochs=arguments.epochs)
    runs = [replace(config, seed=seed) for config in grid(base) for seed in range(arguments.seeds)]
    results: dict[str, list[dict[str, Predictions]]] = {}
    for config in with_progress(runs, f"training {len(runs)} times"):
        predictions = load_or_train(config, training_set, readers[config.text], arguments.work, settings)
        results.setdefault(config.name, []).append(predictions)
    print(format_table(results, {name: len(split) for name, split in training_set.splits.items()}))


def grid(base: TrainingConfig) -> Iterator[TrainingConfig]:
    """Yield the grid: a classifier, then every framework that reads texts.

    With BERT, sentences are also the clips' captions.
    """
    yield replace(base, framework="classification")
    for framework in ("triplet", "contrastive"):
        for text, representation in product(TEXTS, REPRESENTATIONS):
            yield replace(base, framework=framework, text=text, representation=representation)
        yield replace(base, framework=framework, text="bert", representation="sentence", own_sentences=True)


def load_or_train(
    config: TrainingConfig, training_set: TrainingSet, text_vectors: TextVectors, work: Path, settings: Settings
) -> dict[str, Predictions]:
    """Return the predictions on the test split by protocol, cached in the work folder."""
    identity = json.dumps([config.to_json(), training_set.digest], sort_keys=True)
    folder = work / f"{config.name}-{config.seed}-{hashlib.sha256(identity.encode()).hexdigest()[:12]}"
    if not (folder / "done").is_file():
        started = time.perf_counter()
        state = train_locally(config, training_data(training_set, config, text_vectors), settings.models)
        joint = build_joint(config, state.best)
        weights = {name: weight.numpy() for name, weight in state.best.items()}
        reader: TextTower = JointTextTower(text_vectors.embed_text, weights)
        if config.framework == "classification":
            reader = TagTextTower(weights["centroids"], training_set.vocabulary)
        test = training_set.splits["test"]
        with torch.inference_mode():
            vectors = joint(torch.from_numpy(test.features), None)[0].numpy()
        folder.mkdir(exist_ok=True)
        predictions = evaluate_held_out(list(test.clips), vectors, reader, "{}", training_set.vocabulary)
        for name, protocol_predictions in predictions.items():
            pq.write_table(protocol_predictions.to_table(), folder / f"{name}.parquet")
        seconds = time.perf_counter() - started
        (folder / "done").write_text(json.dumps({"seconds": seconds, "epochs": state.epoch, "best": state.best_epoch}))
    return {file.stem: from_table(pq.read_table(file)) for file in sorted(folder.glob("*.parquet"))}


def format_table(results: dict[str, list[dict[str, Predictions]]], clips: dict[str, int]) -> str:
    """Return a Markdown table with a row for each configuration."""
    heads = [f"{protocol} {metric}" for protocol, metric in COLUMNS]
    lines = [f"{clips['train']:,} training, {clips['valid']:,} validation and {clips['test']:,} test clips", ""]
    lines += ["| configuration | " + " | ".join(heads) + " |", "|---|" + "---|" * len(heads)]
    for name, runs in results.items():
        lines.append(f"| {name} | " + " | ".join(format_mean(runs, *column) for column in COLUMNS) + " |")
    return "\n".join(lines)


def format_mean(runs: list[dict[str, Predictions]], protocol: str, metric: str) -> str:
    """Return the mean over seeds with its interval, and the deviation between seeds."""
    if protocol not in runs[0]:
        return "-"
    weights = resamples(len(runs[0][protocol].ids), RESAMPLES)
    values = [float(compute_metrics(run[protocol])[metric]) for run in runs]
    spread = np.mean([compute_metrics(run[protocol], weights)[metric] for run in runs], axis=0)
    low, high = interval(spread)
    seeds = f" ±{np.std(values, ddof=1):.3f}" if len(values) > 1 else ""
    return f"{np.mean(values):.3f} ({low:.3f}–{high:.3f}){seeds}"


if __name__ == "__main__":
    main()
