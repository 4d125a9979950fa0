import pytest

from tests.flows.web.music import Music, make_music


@pytest.fixture(scope="session")
def music(tmp_path_factory) -> Music:
    """Ten sounds in many formats and their lake; do not change either."""
    return make_music(tmp_path_factory.mktemp("web"))
