"""Take the pictures of the pages for the docs: `python -m tests.flows.web.browser.pictures LAKE [FOLDER]`.

Every page is taken on a desktop in light and dark colours and on a phone, with the tracks of the lake itself. Audio
that lies outside the lake's sources needs TONELAKE_ALLOW_OUTSIDE, as for `tonelake serve`.
"""

import io
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from tests.flows.web.browser.conftest import SOFTWARE, running_service
from tests.flows.web.conftest import CHROMIUM

QUESTION = "calm strings, slow"
KINDS = {
    "light": {"viewport": {"width": 1280, "height": 800}},
    "dark": {"viewport": {"width": 1280, "height": 800}, "color_scheme": "dark"},
    "phone": {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark", "is_mobile": True, "has_touch": True},
}
HITS = "ol.hits > li"
QUALITY = 78


def wait_for_waves(page: Page) -> None:
    """Wait until the waveforms in sight are drawn."""
    page.wait_for_function(
        """() => [...document.querySelectorAll('canvas.wave')].every((canvas) => {
          const box = canvas.getBoundingClientRect();
          return box.top > innerHeight || canvas.wave?.known !== undefined && canvas.wave.known !== null;
        })""",
        timeout=120_000,
    )


def show_search(page: Page) -> None:
    """Ask for words and against words, and play a hit."""
    page.goto(f"/?text={QUESTION.replace(' ', '+')}&not=drums:0.6")
    page.wait_for_selector(HITS)
    page.locator(f"{HITS} button.round").nth(1).click()
    page.wait_for_function("() => document.getElementById('audio').currentTime > 0")
    page.locator("#player").get_by_role("button", name="Pause").click()


def show_playlist(page: Page) -> None:
    """Fill the tray with six hits and order them."""
    page.goto(f"/?text={QUESTION.replace(' ', '+')}")
    page.wait_for_selector(HITS)
    for index in range(6):
        page.locator(HITS).nth(index).get_by_role("button", name="Put into the playlist").click()
    page.goto("/playlist")
    page.wait_for_selector(HITS)
    page.get_by_role("button", name="Order for flow").click()
    page.wait_for_function("() => document.getElementById('announcer').textContent.includes('flow')")


def show_track(page: Page) -> None:
    """Open the page of the best hit."""
    page.goto(f"/?text={QUESTION.replace(' ', '+')}")
    page.locator(f"{HITS} .title").first.click()
    page.wait_for_selector("#similar .hit")


def show_moments(page: Page) -> None:
    """Ask for moments."""
    page.goto(f"/?text={QUESTION.replace(' ', '+')}&segments=true")
    page.wait_for_selector(HITS)


def show_status(page: Page) -> None:
    """Open the state of the lake."""
    page.goto("/status")


def show_map(page: Page) -> None:
    """Open the map of the lake, coloured by tag. `tonelake map` made it."""
    page.goto("/map?by=tag")
    page.wait_for_selector("body[data-map=ready]")


PAGES = {
    "search": show_search,
    "map": show_map,
    "moments": show_moments,
    "playlist": show_playlist,
    "track": show_track,
    "status": show_status,
}


def take_pictures(lake: Path, folder: Path) -> None:
    """Write NAME-KIND.webp of every page and kind into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with running_service(lake) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", *SOFTWARE])
        for kind, options in KINDS.items():
            for name, show in PAGES.items():
                page = browser.new_page(base_url=address, device_scale_factor=1.25, **options)
                show(page)
                wait_for_waves(page)
                file = folder / f"{name}-{kind}.webp"
                Image.open(io.BytesIO(page.screenshot())).save(file, quality=QUALITY, method=6)
                print(f"{file}: {file.stat().st_size:,} bytes")
                page.close()
        browser.close()


if __name__ == "__main__":
    take_pictures(Path(sys.argv[1]), Path(*sys.argv[2:3] or ["docs/pictures"]))
