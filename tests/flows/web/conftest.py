"""What tests of the service share: music, and Debian's Chromium driven by Playwright."""

import os
import shutil
from collections.abc import Iterator

import pytest

from tests.flows.web.music import Music, make_music

CHROMIUM = os.environ.get("TONELAKE_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.fixture(scope="session")
def music(tmp_path_factory) -> Music:
    """Ten sounds in many formats and their lake; do not change either."""
    return make_music(tmp_path_factory.mktemp("web"))


@pytest.fixture(scope="module")
def driver() -> Iterator:
    """Playwright. A process can have only one, and no event loop beside it: other tests need theirs."""
    playwright = pytest.importorskip("playwright.sync_api", reason="no Playwright: pip install playwright")
    if CHROMIUM is None:
        pytest.skip("no Chromium: apt-get install chromium, or set TONELAKE_CHROMIUM")
    with playwright.sync_playwright() as started:
        yield started


@pytest.fixture(scope="module")
def browser(driver) -> Iterator:
    """A browser with a microphone that hums."""
    microphone = ["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]
    arguments = ["--no-sandbox", "--autoplay-policy=no-user-gesture-required", *microphone]
    launched = driver.chromium.launch(executable_path=CHROMIUM, args=arguments)
    yield launched
    launched.close()
