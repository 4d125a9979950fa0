"""Pretrained weights for tests, from the usual cache; a test may skip only where they cannot be fetched."""

from pathlib import Path

import pytest

from schemas.errors import UserError
from schemas.settings import Settings
from workers.weights import weights_folder


def models_with(*names: str) -> Path:
    """The models folder, holding these models."""
    models = Settings().models
    for name in names:
        try:
            weights_folder(name, models)
        except UserError as error:
            if "cannot fetch" not in str(error):
                raise
            pytest.skip(str(error))
    return models
