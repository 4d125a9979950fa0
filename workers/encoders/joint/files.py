"""The folder of a trained model: weights as safetensors, and model.json, which completes it."""

import hashlib
from pathlib import Path

from safetensors.torch import load_file, save

from schemas.errors import UserError
from schemas.training import MODEL_FILE, WEIGHTS_FILE, Trained
from workers.encoders.ttmr.net import Weights

_EXACT = ("audio.mel.", "reader.")  # a filter bank, and a text tower that moved by less than float16 can tell


def write_weights(folder: Path, weights: Weights) -> str:
    """Writes them, in float16 but for what no training moved; returns the file's sha256."""
    kept = {name: weight if name.startswith(_EXACT) else weight.half() for name, weight in weights.items()}
    unfinished = folder / f".{WEIGHTS_FILE}"
    content = save({name: weight.contiguous() for name, weight in kept.items()})
    unfinished.write_bytes(content)
    unfinished.replace(folder / WEIGHTS_FILE)
    return hashlib.sha256(content).hexdigest()


def read_weights(folder: Path, trained: Trained) -> Weights:
    """As float32; UserError where they are not those that model.json was written for."""
    path = folder / WEIGHTS_FILE
    if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != trained.weights_sha256:
        raise UserError(f"{path} is not the file that {MODEL_FILE} beside it tells of: copy both, or train again")
    return {name: weight.float() for name, weight in load_file(path).items()}
