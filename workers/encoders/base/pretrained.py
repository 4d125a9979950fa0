"""A model of the library transformers from a folder of fetched weights; nothing fetched is executed.

net = pretrained(ASTModel, SOURCE, settings.models)
"""

from pathlib import Path
from typing import TypeVar

from transformers import PreTrainedModel
from transformers.utils import logging

from schemas.errors import UserError
from workers.weights.cache import HubSource, weights_folder

Model = TypeVar("Model", bound=PreTrainedModel)


def pretrained(kind: type[Model], source: HubSource, models: Path) -> Model:
    """The model in eval mode and float32, with `config.json` and weights of the folder; UserError as `weights_folder`.

    A .bin file is read with weights_only, as transformers does by itself. Weights that the file lacks, which
    transformers would make up with no more than a warning, are a UserError.
    """
    logging.set_verbosity_error()  # what it says of unused weights, and its progress bars, would stand in our output
    logging.disable_progress_bar()
    folder = weights_folder(source, models)
    net, found = kind.from_pretrained(
        folder, local_files_only=True, trust_remote_code=False, dtype="float32", output_loading_info=True
    )
    kept = net.state_dict()  # whole numbers (of places, say) are no weights: the library counts them itself
    if missing := sorted(name for name in found["missing_keys"] if kept[name].is_floating_point()):
        raise UserError(f"{source.name}: its file lacks {len(missing)} weights of {kind.__name__}, as {missing[0]}")
    return net.eval()
