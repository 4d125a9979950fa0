"""The files of a trained model: weights as safetensors, and model.json, which is written last."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from safetensors.numpy import load, save

from schemas.errors import UserError
from schemas.training import MODEL_FILE, WEIGHTS_FILE, TrainedModel

if TYPE_CHECKING:
    from workers.encoders.ttmr.net import Weights

_HEAD = "audio."
# Kept in float32: a filter bank, a text tower that training moved by less than float16 can show, and ConSE's basis.
_FLOAT32 = ("audio.mel.", "reader.", "conse.")


def write_weights(folder: Path, weights: "Weights") -> str:
    """Write the weights and return the file's sha256.

    All are rounded to float16, except filter banks, trained text towers and ConSE's basis.
    """
    rounded = {name: weight if name.startswith(_FLOAT32) else weight.half() for name, weight in weights.items()}
    unfinished = folder / f".{WEIGHTS_FILE}"
    content = save({name: weight.cpu().contiguous().numpy() for name, weight in rounded.items()})
    unfinished.write_bytes(content)
    unfinished.replace(folder / WEIGHTS_FILE)
    return hashlib.sha256(content).hexdigest()


def read_weights(folder: Path, trained: TrainedModel, prefixes: tuple[str, ...] = ("",)) -> dict[str, np.ndarray]:
    """Read the weights whose names start with one of the prefixes, as float32 arrays.

    Raises UserError if they are not in the file that model.json names by its sha256.
    """
    path = folder / WEIGHTS_FILE
    content = path.read_bytes() if path.is_file() else b""
    if hashlib.sha256(content).hexdigest() != trained.weights_sha256:
        raise UserError(f"{path} is not the file that {MODEL_FILE} beside it describes: copy both, or train again")
    weights = load(content)
    return {name: weights[name].astype(np.float32) for name in weights if name.startswith(prefixes)}


def join_seeds(weights_of_seeds: Sequence["Weights"]) -> "Weights":
    """Join the weights of trainings that differ in their seed.

    These are all weights of the first, and the heads of the others.
    """
    joined = dict(weights_of_seeds[0])
    for seed, weights in enumerate(weights_of_seeds[1:], 1):
        joined |= {f"seeds.{seed}.{name}": weight for name, weight in weights.items() if name.startswith(_HEAD)}
    return joined


def select_seed(weights: Mapping[str, np.ndarray], seed: int) -> dict[str, np.ndarray]:
    """Return the weights of one of the nets that `join_seeds` joined, from 0."""
    prefix = f"seeds.{seed}."
    shared = {name: weight for name, weight in weights.items() if not name.startswith(("seeds.", "conse."))}
    return shared | {name.removeprefix(prefix): weight for name, weight in weights.items() if name.startswith(prefix)}
