"""Loads a model of the library transformers from a folder of fetched weights. No fetched code is executed.

net = load_pretrained(ASTModel, SOURCE, settings.models)
"""

from pathlib import Path
from typing import TypeVar

from transformers import PreTrainedModel
from transformers.utils import logging

from schemas.errors import UserError
from workers.weights.cache import weights_folder
from workers.weights.sources import HubSource

T = TypeVar("T", bound=PreTrainedModel)


def load_pretrained(kind: type[T], source: HubSource, models: Path) -> T:
    """Load the folder's `config.json` and weights, in eval mode and float32.

    transformers reads a .bin file with weights_only. Raises UserError if the weights cannot be fetched, or if the file
    lacks weights of the model: transformers only warns of these and draws them at random.
    """
    logging.set_verbosity_error()  # warnings of unused weights and progress bars would mix with our output
    logging.disable_progress_bar()
    folder = weights_folder(source, models)
    net, loading_info = kind.from_pretrained(
        folder, local_files_only=True, trust_remote_code=False, dtype="float32", output_loading_info=True
    )
    state = net.state_dict()
    # Integer buffers (position numbers, for example) are no weights: the library computes them.
    missing = sorted(name for name in loading_info["missing_keys"] if state[name].is_floating_point())
    if missing:
        raise UserError(
            f"the weights of {source.name} lack {len(missing)} weights of {kind.__name__}, for example {missing[0]}"
        )
    return net.eval()
