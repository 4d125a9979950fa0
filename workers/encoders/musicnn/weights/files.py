"""The files of this folder: musicnn's networks and the text vectors of its tags.

`python -m workers.encoders.musicnn.weights.convert` makes them again.
"""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from schemas.errors import UserError
from workers.weights.sources import WheelSource

if TYPE_CHECKING:
    import torch

FOLDER = Path(__file__).parent
NETS_FILE, TAGS_FILE, LICENCE_FILE = "musicnn.safetensors", "tag_vectors.safetensors", "LICENSE.md"
TAG_VECTORS = "tag_vectors"  # the name of the tensor in TAGS_FILE

# They stand in Python, because the check that all Ray nodes hold the same code reads Python files only.
SHA256_OF_FILES = {
    NETS_FILE: "8c14b52aa8b5bd820d18a9261eec311be352009350f70cf67606ff0956af4fc3",
    TAGS_FILE: "d288234a31394ccce9a52525b5c7b59062972a69507b6f31db793e197be73667",
}

LICENCE_MEMBER = "musicnn-0.1.0.dist-info/LICENSE.md"

# musicnn 0.1.0, ISC: the checkpoints of the two musicnn models; the wheel's vgg models are not used. Only the tool
# fetches the wheel. The sha256 over its members stays the name of the weights in the encoder's spec.
MUSICNN = WheelSource(
    name="musicnn",
    package="musicnn",
    version="0.1.0",
    members={
        LICENCE_MEMBER: "60c4194f702ddd969f969577743546327b4e9db560c07ec286be5cec27f55fcd",
        "musicnn/MTT_musicnn/.index": "da2d7bb670b2b31e9bc441bb1bd75eca31b5b061f963cc1f9630c1aff3238f57",
        "musicnn/MTT_musicnn/.data-00000-of-00001": (
            "041f3935e981a65cea739842d30c188d3a7d2adf4410955c8668eb3de4a5acab"
        ),
        "musicnn/MSD_musicnn/.index": "87f3e0f3550c8d3bafc840374003e5c8af5eeb5ecf6add61af09a7822d3282c8",
        "musicnn/MSD_musicnn/.data-00000-of-00001": (
            "8579734ee6388f799ed0def4bbd0d1fdcbeaf213ef2a9dc860917bd76a303de6"
        ),
    },
)


def read_nets(folder: Path = FOLDER) -> dict[str, "torch.Tensor"]:
    """Read the float32 tensors of both networks, by network and TensorFlow's name.

    Raises UserError if the file is not the one that SHA256_OF_FILES names.
    """
    from safetensors.torch import load

    return load(_read_verified(folder / NETS_FILE))


def read_tag_vectors(folder: Path = FOLDER) -> np.ndarray:
    """Read MiniLM's unit vectors of the tags [92, 384] float32, in the order of VOCABULARY.

    They are stored so that workers on audio load no text tower. Raises UserError as `read_nets` does.
    """
    from safetensors.numpy import load

    return load(_read_verified(folder / TAGS_FILE))[TAG_VECTORS]


def _read_verified(path: Path) -> bytes:
    content = path.read_bytes() if path.is_file() else b""
    if hashlib.sha256(content).hexdigest() != SHA256_OF_FILES[path.name]:
        raise UserError(f"{path} is not the file that belongs to this tonelake: install tonelake again")
    return content
