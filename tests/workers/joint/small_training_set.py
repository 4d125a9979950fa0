"""A small corpus that can be learned: each tag is a direction among the features, each text the sum of its tags."""

from dataclasses import replace

import numpy as np

from schemas.benchmarks import Clip
from schemas.training import Cell
from workers.joint.data import Split, TrainingData
from workers.joint.texts import pools
from workers.joint.train import text_dim

TAGS = ("bright", "dark", "fast", "slow", "loud", "soft")
SMALL = Cell(hidden=32, batch=16, dropout=0.0, epochs=8, warmup=2, learning_rate=4e-3)


def split(name, count, seed):
    rng = np.random.default_rng(seed)
    clips, rows = [], []
    directions = np.random.default_rng(0).standard_normal((len(TAGS), 12))
    for number in range(count):
        has = [2 * pair + int(rng.integers(2)) for pair in range(3)]
        tags = tuple(TAGS[place] for place in has)
        clips.append(Clip(f"{name}-{number}", "", name, tags, (f"it is {tags[0]} and {tags[2]}",)))
        rows.append(directions[has].sum(0) + 0.3 * rng.standard_normal(12))
    return Split(tuple(clips), np.array(rows, np.float32))


def vectors_of(texts, dim):
    known = np.random.default_rng(1).standard_normal((len(TAGS), dim))
    rows = [sum(known[place] for place, tag in enumerate(TAGS) if tag in text) for text in texts]
    return np.array(rows, np.float32)


def made(cell=SMALL, train=96, valid=32):
    """What `flows.training.dataset.training_data` makes, without a lake and without a text tower."""
    first, second = split("train", train, 2), split("valid", valid, 3)
    if cell.framework == "classification" or cell.finetune_text:
        return TrainingData(first, second, tuple(sorted(TAGS)), [], [], {}, np.zeros((0, 0), np.float32))
    both = [pools(one.clips, cell) for one in (first, second)]
    texts = list(dict.fromkeys(text for one in both for pool in one for text in pool))
    places = {text: row for row, text in enumerate(texts)}
    return TrainingData(first, second, tuple(sorted(TAGS)), *both, places, vectors_of(texts, text_dim(cell)))


def cells():
    """The grid, small."""
    yield replace(SMALL, framework="classification")
    for framework in ("triplet", "contrastive"):
        for text in ("glove", "bert"):
            for representation in ("tag", "sentence", "stochastic"):
                yield replace(SMALL, framework=framework, text=text, representation=representation)
