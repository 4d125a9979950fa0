"""Converts what the musicnn wheel holds: two checkpoints into one safetensors file, and the tags into text vectors."""

from pathlib import Path

import numpy as np
from safetensors.numpy import save

from workers.encoders.conse import prompted
from workers.encoders.musicnn import NETS_FILE, TAGS_FILE
from workers.encoders.musicnn_net import NETS
from workers.encoders.musicnn_tags import VOCABULARY
from workers.encoders.tf_checkpoint import read_checkpoint
from workers.text.minilm import MiniLM

_TRAINING_STATE = ("/Adam", "beta1_power", "beta2_power")


def write_musicnn(members: dict[str, bytes], folder: Path, models: Path) -> None:
    """Writes the networks, the tags' vectors (so that workers on audio load no text tower) and the licence."""
    tensors: dict[str, np.ndarray] = {}
    for net in NETS:
        index, data = (members[f"musicnn/{net}/{name}"] for name in (".index", ".data-00000-of-00001"))
        for name, tensor in read_checkpoint(index, data, skip=_TRAINING_STATE).items():
            tensors[f"{net}/{name}"] = tensor
    (folder / NETS_FILE).write_bytes(save(tensors))
    vectors = MiniLM(models).embed_text(prompted(list(VOCABULARY)))
    (folder / TAGS_FILE).write_bytes(save({"tag_vectors": vectors}))
    (folder / "LICENSE.md").write_bytes(members["musicnn-0.1.0.dist-info/LICENSE.md"])
