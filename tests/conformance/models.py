"""Pretrained weights for tests, from the usual cache. A test may be skipped only if they cannot be fetched."""

from pathlib import Path

import pytest

from schemas.errors import UserError
from schemas.settings import Settings
from workers.weights.cache import weights_folder
from workers.weights.sources import Source


def fetch_models(*sources: Source) -> Path:
    """Fetch these models and return the models folder."""
    models = Settings().models
    for source in sources:
        try:
            weights_folder(source, models)
        except UserError as error:
            if "cannot fetch" not in str(error):
                raise
            pytest.skip(str(error))
    return models
