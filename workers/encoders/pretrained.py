"""A model of the library transformers from a folder of fetched weights; nothing fetched is executed.

net = pretrained(ASTModel, SOURCE, settings.models)
"""

from pathlib import Path
from typing import TypeVar

from transformers import PreTrainedModel

from workers.weights import HubSource, weights_folder

Model = TypeVar("Model", bound=PreTrainedModel)


def pretrained(kind: type[Model], source: HubSource, models: Path) -> Model:
    """The model in eval mode and float32, with `config.json` and weights of the folder; UserError as `weights_folder`.

    A .bin file is read with weights_only, as transformers does by itself.
    """
    folder = weights_folder(source, models)
    return kind.from_pretrained(folder, local_files_only=True, trust_remote_code=False, dtype="float32").eval()
