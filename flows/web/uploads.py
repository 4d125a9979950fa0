"""/api/v1/uploads: audio files to search by."""

import numpy as np
from fastapi import APIRouter

router = APIRouter()


def make_store() -> dict[tuple[str, str], np.ndarray]:
    """Return the uploads: (embedding_version, upload) -> unit vector, float32 [dim]."""
    return {}
