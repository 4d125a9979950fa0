"""Pretrained weights for tests, from the usual cache; a test may skip only where they cannot be fetched."""

from pathlib import Path

import pytest

from schemas.errors import UserError
from schemas.settings import Settings
from workers.weights.cache import Source, weights_folder


def models_with(*sources: Source) -> Path:
    """The models folder, holding these models."""
    models = Settings().models
    for source in sources:
        try:
            weights_folder(source, models)
        except UserError as error:
            if "cannot fetch" not in str(error):
                raise
            pytest.skip(str(error))
    return models
