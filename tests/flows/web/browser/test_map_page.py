"""The map in a real browser: it loads, plays, and a lasso becomes a downloaded playlist."""

from pathlib import Path

import pytest

from tests.cli import run_here
from tests.flows.web.browser.conftest import HOSTILE, SOFTWARE, opened_page
from tests.flows.web.browser.test_every_page import PHONE, overflow, violations
from tests.flows.web.conftest import CHROMIUM

READY = "body[data-map=ready]"
COUNT = 6


@pytest.fixture(scope="module")
def mapped(service):
    run_here("--lake", service.lake, "map", "--method", "pca")
    return service


@pytest.fixture(scope="module")
def browser(driver):
    launched = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", *SOFTWARE])
    yield launched
    launched.close()


@pytest.fixture
def page(browser, mapped):
    with opened_page(browser, mapped, accept_downloads=True) as opened:
        opened.goto("/map")
        opened.wait_for_selector(READY)
        yield opened


def corner(page):
    box = page.locator("#map-canvas").bounding_box()
    return box["x"], box["y"], box["width"], box["height"]


def draw_lasso(page, shape):
    """Drag around a shape, whose corners are shares of the stage."""
    left, top, width, height = corner(page)
    points = [(left + x * width, top + y * height) for x, y in shape]
    page.mouse.move(*points[0])
    page.mouse.down()
    for point in [*points[1:], points[0]]:
        page.mouse.move(*point, steps=4)
    page.mouse.up()


def point_at(page, index):
    """Return where a point is drawn, in pixels of the window."""
    left, top, _, _ = corner(page)
    x, y = page.evaluate(
        """(index) => {
          const [x, y] = tonelakePlane.coordinates.slice(2 * index, 2 * index + 2);
          return tonelakePlane.toScreen(x / 65535, y / 65535);
        }""",
        index,
    )
    return left + x, top + y


def drawn_pixels(page):
    """Return how many pixels of the stage are not its ground."""
    return page.evaluate(
        """() => new Promise((done) => {
          const { gl, canvas } = tonelakePlane;
          tonelakePlane.draw();
          requestAnimationFrame(() => {
            const pixels = new Uint8Array(4 * canvas.width * canvas.height);
            gl.readPixels(0, 0, canvas.width, canvas.height, gl.RGBA, gl.UNSIGNED_BYTE, pixels);
            const words = new Uint32Array(pixels.buffer);
            done(words.filter((word) => word !== words[0]).length);
          });
        })"""
    )


def test_all_tracks_are_drawn(page):
    assert page.locator("#map-tools").get_by_text(f"{COUNT} tracks").is_visible()
    assert drawn_pixels(page) > COUNT * 20


def test_a_lasso_becomes_a_playlist_whose_files_exist(page):
    page.get_by_role("button", name="Lasso").click()
    draw_lasso(page, [(0.02, 0.02), (0.98, 0.02), (0.98, 0.98), (0.02, 0.98)])
    page.get_by_role("heading", name=f"{COUNT} tracks selected").wait_for()
    page.locator("#map-side .hit").nth(COUNT - 1).wait_for()
    with page.expect_download() as download:
        page.get_by_role("button", name="Save M3U8").click()
    paths = [line for line in Path(download.value.path()).read_text().splitlines() if not line.startswith("#")]
    assert len(paths) == COUNT
    assert all(Path(path).is_file() for path in paths)
    page.get_by_role("button", name="Add to the playlist").click()
    page.wait_for_function(f"() => document.getElementById('tray-count').textContent === '{COUNT}'")
    page.get_by_role("link", name="Search in it").click()
    page.wait_for_selector(".hits > .hit")
    assert "within=selection" in page.url


def test_the_address_keeps_colours_and_lasso(page):
    page.get_by_label("Colour by").select_option("genre")
    page.get_by_role("heading", name="genre").wait_for()
    page.get_by_role("button", name="Select the view").click()
    page.get_by_role("heading", name=f"{COUNT} tracks selected").wait_for()
    page.reload()
    page.get_by_role("heading", name=f"{COUNT} tracks selected").wait_for()
    assert page.get_by_label("Colour by").input_value() == "genre"
    page.get_by_role("button", name="Clear").click()
    page.get_by_role("heading", name="selected").wait_for(state="detached")
    assert "lasso" not in page.url


def test_hover_names_a_track_and_plays_it_unless_that_is_off(page):
    page.get_by_label("Hover plays").uncheck()
    page.mouse.move(*point_at(page, 0))
    page.locator("#map-tip b").wait_for()
    assert page.evaluate("document.getElementById('audio').getAttribute('src')") is None
    page.mouse.move(*point_at(page, 1))
    page.get_by_label("Hover plays").check()
    page.mouse.move(*point_at(page, 2))
    page.wait_for_function("() => document.getElementById('audio').currentTime > 0")


def test_the_keyboard_alone_pans_zooms_and_selects(page):
    page.locator("#map-canvas").focus()
    before = page.evaluate("({...tonelakePlane.view})")
    page.keyboard.press("+")
    page.keyboard.press("ArrowRight")
    after = page.evaluate("({...tonelakePlane.view})")
    assert after["zoom"] > before["zoom"]
    assert after["x"] > before["x"]
    page.keyboard.press("0")
    page.get_by_role("button", name="Select the view").press("Enter")
    page.get_by_role("heading", name=f"{COUNT} tracks selected").wait_for()
    page.keyboard.press("Escape")
    page.get_by_role("heading", name="selected").wait_for(state="detached")


def test_a_search_colours_the_map_and_bad_words_are_a_line(page):
    page.get_by_label("Colour by").select_option("score")
    page.get_by_label("Words to colour by").fill("calm harp")
    page.get_by_role("button", name="Colour", exact=True).click()
    page.get_by_role("heading", name="score").wait_for()
    assert "text=calm+harp" in page.url


@pytest.mark.parametrize("options", [{}, PHONE], ids=["desktop, light", "phone, dark"])
def test_axe_finds_nothing(browser, mapped, options):
    with opened_page(browser, mapped, **options) as page:
        page.goto("/map?lasso=0,0;1,0;1,1;0,1")
        page.wait_for_selector(READY)
        page.wait_for_selector("#map-side .hit")
        assert page.get_by_text(HOSTILE).count() > 0  # as text
        assert not violations(page)
        assert not overflow(page)
