"""A model of the library transformers from a folder of fetched weights; nothing fetched is executed.

net = pretrained(ASTModel, SOURCE, settings.models)
"""

from pathlib import Path
from typing import TypeVar

from transformers import PreTrainedModel
from transformers.utils import logging

from schemas.errors import UserError
from workers.weights import HubSource, weights_folder

Model = TypeVar("Model", bound=PreTrainedModel)


def pretrained(kind: type[Model], source: HubSource, models: Path) -> Model:
    """The model in eval mode and float32, with `config.json` and weights of the folder; UserError as `weights_folder`.

    A .bin file is read with weights_only, as transformers does by itself. UserError too where a weight is missing:
    transformers would draw it at random. What a file holds beyond the model is passed over without its long report.
    """
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    ours = {"local_files_only": True, "trust_remote_code": False, "dtype": "float32", "output_loading_info": True}
    net, loaded = kind.from_pretrained(weights_folder(source, models), **ours)
    # Whole numbers (places, their offsets) are no weights: the library counts them anew.
    kept = net.state_dict()
    if missing := sorted(name for name in loaded["missing_keys"] if kept[name].is_floating_point()):
        raise UserError(f"{source.repository} holds no {missing[0]} ({len(missing)} weights of {kind.__name__} lack)")
    return net.eval()
