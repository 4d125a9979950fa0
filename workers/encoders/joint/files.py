"""The files of a trained model: weights as safetensors, and model.json, which is written last."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from safetensors.numpy import load_file, save

from schemas.errors import UserError
from schemas.training import MODEL_FILE, WEIGHTS_FILE, TrainedModel

if TYPE_CHECKING:
    from workers.encoders.ttmr.net import Weights

# Kept in float32: a filter bank, and a text tower that training moved by less than float16 can show.
_FLOAT32 = ("audio.mel.", "reader.")


def write_weights(folder: Path, weights: "Weights") -> str:
    """Write the weights and return the file's sha256.

    All are rounded to float16, except filter banks and trained text towers.
    """
    rounded = {name: weight if name.startswith(_FLOAT32) else weight.half() for name, weight in weights.items()}
    unfinished = folder / f".{WEIGHTS_FILE}"
    content = save({name: weight.cpu().contiguous().numpy() for name, weight in rounded.items()})
    unfinished.write_bytes(content)
    unfinished.replace(folder / WEIGHTS_FILE)
    return hashlib.sha256(content).hexdigest()


def read_weights(folder: Path, trained: TrainedModel) -> Mapping[str, np.ndarray]:
    """Read the weights as float32 arrays.

    Raises UserError if they are not the file that model.json names by its sha256.
    """
    path = folder / WEIGHTS_FILE
    if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != trained.weights_sha256:
        raise UserError(f"{path} is not the file that {MODEL_FILE} beside it describes: copy both, or train again")
    return {name: weight.astype(np.float32) for name, weight in load_file(path).items()}
