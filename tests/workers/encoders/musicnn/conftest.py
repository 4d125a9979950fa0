"""The musicnn wheel for the tests of its reader and of the conversion."""

import pytest

from workers.encoders.musicnn.weights.files import MUSICNN
from workers.weights.sources import fetch_members


@pytest.fixture(scope="session")
def wheel_members(tmp_path_factory):
    """The pinned files of the wheel by name; the test is skipped only if pip cannot fetch it."""
    try:
        return fetch_members(MUSICNN, tmp_path_factory.mktemp("wheel"))
    except OSError as error:
        pytest.skip(f"pip cannot fetch the musicnn wheel: {error}")
