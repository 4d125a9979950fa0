"""Where musicnn's weights come from, and the files that they are converted to."""

from pathlib import Path

from workers.encoders.musicnn.conse import add_prompt
from workers.encoders.musicnn.tags import VOCABULARY
from workers.text.minilm_weights import MINILM
from workers.weights.sources import WheelSource

NETS_FILE, TAGS_FILE = "musicnn.safetensors", "tag_vectors.safetensors"

_TRAINING_STATE = ("/Adam", "beta1_power", "beta2_power")
_LICENCE = "musicnn-0.1.0.dist-info/LICENSE.md"


def write_musicnn(members: dict[str, bytes], folder: Path, models: Path) -> None:
    """Write the networks as safetensors, the text vectors of the tags and the licence.

    The text vectors are written so that workers on audio load no text tower. `members` are the wheel's files by name.
    """
    from safetensors.numpy import save  # imported here: only the conversion needs it and torch

    from workers.encoders.musicnn.net import NETS
    from workers.encoders.musicnn.tf_checkpoint import read_checkpoint
    from workers.text.minilm import MiniLM

    tensors = {}
    for net in NETS:
        index, data = (members[f"musicnn/{net}/{name}"] for name in (".index", ".data-00000-of-00001"))
        for name, tensor in read_checkpoint(index, data, skip=_TRAINING_STATE).items():
            tensors[f"{net}/{name}"] = tensor
    (folder / NETS_FILE).write_bytes(save(tensors))
    vectors = MiniLM(models).embed_text(add_prompt(list(VOCABULARY)))
    (folder / TAGS_FILE).write_bytes(save({"tag_vectors": vectors}))
    (folder / "LICENSE.md").write_bytes(members[_LICENCE])


# musicnn 0.1.0, ISC: the checkpoints of the two musicnn models; the wheel's vgg models are not used.
MUSICNN = WheelSource(
    name="musicnn",
    package="musicnn",
    version="0.1.0",
    members={
        _LICENCE: "60c4194f702ddd969f969577743546327b4e9db560c07ec286be5cec27f55fcd",
        "musicnn/MTT_musicnn/.index": "da2d7bb670b2b31e9bc441bb1bd75eca31b5b061f963cc1f9630c1aff3238f57",
        "musicnn/MTT_musicnn/.data-00000-of-00001": (
            "041f3935e981a65cea739842d30c188d3a7d2adf4410955c8668eb3de4a5acab"
        ),
        "musicnn/MSD_musicnn/.index": "87f3e0f3550c8d3bafc840374003e5c8af5eeb5ecf6add61af09a7822d3282c8",
        "musicnn/MSD_musicnn/.data-00000-of-00001": (
            "8579734ee6388f799ed0def4bbd0d1fdcbeaf213ef2a9dc860917bd76a303de6"
        ),
    },
    writer=write_musicnn,
    recipe=(MINILM.sha256(), *add_prompt(list(VOCABULARY))),
)
