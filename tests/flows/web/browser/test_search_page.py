"""The search page in a browser: ask, play, blend, narrow, understand, share."""

import base64
import re

from tests.flows.web.browser.conftest import HOSTILE, opened_page

HITS = "ol.hits > li"


def ask(page, query="text=calm+harp"):
    page.goto(f"/?{query}")
    page.wait_for_selector(HITS)


def wait_for_answer(page):
    page.wait_for_function("() => document.querySelector('ol.hits')?.getAttribute('aria-busy') === 'false'")


def play_time(page):
    return page.evaluate("document.getElementById('audio').currentTime")


def wait_until_it_plays(page, since=0.0):
    page.wait_for_function(f"() => document.getElementById('audio').currentTime > {since + 0.2}")


def test_an_answer_comes_while_one_types_and_every_state_is_an_address(page):
    page.goto("/")
    assert page.get_by_role("heading", name="Search").count() == 1
    page.keyboard.press("/")
    page.keyboard.type("quiet guitar", delay=20)
    page.wait_for_selector(HITS)
    assert "text=quiet+guitar" in page.url
    assert "hits" in page.locator("#announcer").inner_text()
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Moments").click()
    page.wait_for_url("**segments=true*")
    page.go_back()
    page.wait_for_url(lambda url: "segments" not in url)
    assert page.locator("#text").input_value() == "quiet guitar"
    page.reload()
    page.wait_for_selector(HITS)


def test_a_hit_plays_in_place_from_its_best_moment(page):
    ask(page)
    button = page.locator(f"{HITS} >> nth=0 >> button.round")
    minutes, seconds = re.search(r"from (\d+):(\d+)", button.get_attribute("aria-label")).groups()
    button.click()
    wait_until_it_plays(page, int(minutes) * 60 + int(seconds))
    page.locator("#player").get_by_role("button", name="Pause").click()
    stopped = play_time(page)
    page.locator("#position").fill("1")
    page.locator("#player").get_by_role("button", name=re.compile("^Play ")).click()
    wait_until_it_plays(page, 1)
    assert play_time(page) < stopped + 5
    page.goto("/status")  # the music goes on, on the next page
    wait_until_it_plays(page, 1.2)


def test_the_waveform_shows_the_matching_moment(page):
    ask(page)
    page.wait_for_function(
        """() => {
          const canvas = document.querySelector('ol.hits canvas');
          const style = getComputedStyle(canvas);
          const wanted = ['--wave-match', '--wave'].map((name) => style.getPropertyValue(name).trim());
          const pen = canvas.getContext('2d');
          const pixels = pen.getImageData(0, canvas.height / 2 | 0, canvas.width, 1).data;
          const seen = new Set();
          for (let at = 0; at < pixels.length; at += 4)
            seen.add('#' + [0, 1, 2].map((part) => pixels[at + part].toString(16).padStart(2, '0')).join(''));
          const tall = (name) => [...pen.getImageData(0, 0, canvas.width, canvas.height).data].filter(Boolean).length;
          return wanted.every((colour) => seen.has(colour)) && tall() > canvas.width * 40;
        }"""
    )


def test_the_keyboard_alone_finds_plays_and_blends(page):
    ask(page)
    first, second = (page.locator(HITS).nth(index).get_attribute("data-id") for index in (0, 1))
    page.keyboard.press("j")
    page.keyboard.press("j")
    assert page.evaluate("document.activeElement.dataset.id") == second
    page.keyboard.press("k")
    page.keyboard.press(" ")
    wait_until_it_plays(page)
    page.keyboard.press("a")
    assert page.locator("#tray-count").inner_text() == "1"
    page.keyboard.press("m")
    page.wait_for_url(f"**like={first}*")
    page.wait_for_function(
        f"() => !document.querySelector('[data-id=\"{first}\"]')"
    )  # the tracks of a question are no hits
    page.keyboard.press("?")
    page.get_by_role("dialog").get_by_label("use these keys").uncheck()
    page.keyboard.press("Escape")
    page.locator("body").press("j")
    assert page.locator("[aria-current=true]").count() == 0


def test_a_blend_has_weights(page):
    ask(page)
    page.get_by_label("without …").fill("loud drums")
    page.keyboard.press("Enter")
    page.wait_for_url("**not=loud+drums*")
    wait_for_answer(page)
    page.locator(HITS).nth(0).get_by_role("button", name=re.compile("Less like this")).click()
    slider = page.get_by_role("slider", name=re.compile("^Weight of less like"))
    slider.fill("0.5")
    page.wait_for_url("**unlike=*%3A0.5*")
    wait_for_answer(page)
    page.get_by_role("button", name="Remove without loud drums").click()
    page.wait_for_url(lambda url: "not=" not in url)
    page.reload()
    page.wait_for_selector(".chip.against")


def test_filters_narrow_and_can_be_taken_back(page):
    ask(page)
    every = page.locator(HITS).count()
    choice = page.locator("#filters").get_by_role("checkbox").first
    choice.check()
    page.wait_for_function(f"() => document.querySelectorAll('{HITS}').length < {every}")
    page.get_by_role("button", name=re.compile("^Remove the filter")).click()
    page.wait_for_function(f"() => document.querySelectorAll('{HITS}').length === {every}")


def test_why_a_hit_was_found_is_said_on_demand(page):
    ask(page)
    page.locator(HITS).nth(0).get_by_role("button", name=re.compile("^Why")).click()
    assert "cosine" in page.locator(f"{HITS} ul.why").inner_text()


def test_a_sound_is_a_question(page, service):
    page.goto("/")
    page.locator("input[type=file]").set_input_files(next(service.music.glob("*.wav")))
    page.wait_for_url("**like=upload*", timeout=60_000)  # the first upload starts a process for them
    page.wait_for_selector(HITS)
    assert "more like" in page.locator(".chip").inner_text()


def test_a_dropped_file_is_a_question_too(page, service):
    page.goto("/")
    page.wait_for_selector(".start")
    sound = base64.b64encode(next(service.music.glob("*.flac")).read_bytes()).decode()
    transfer = page.evaluate_handle(
        """(text) => {
          const transfer = new DataTransfer();
          const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
          transfer.items.add(new File([bytes], 'humming.flac'));
          return transfer;
        }""",
        sound,
    )
    page.dispatch_event("body", "dragover", {"dataTransfer": transfer})
    assert "dropping" in page.locator("body").get_attribute("class")
    page.dispatch_event("body", "drop", {"dataTransfer": transfer})
    page.wait_for_url("**like=upload*", timeout=60_000)
    page.wait_for_selector(HITS)
    assert "humming.flac" in page.locator(".chip").inner_text()
    assert "dropping" not in page.locator("body").get_attribute("class")


def test_a_recording_is_a_question_too(browser, service):
    with opened_page(browser, service, permissions=["microphone"]) as page:
        page.goto("/")
        button = page.locator("#record")
        button.click()
        page.wait_for_function("() => document.getElementById('record').ariaPressed === 'true'")
        began = page.evaluate("performance.now()")
        page.wait_for_function(f"() => performance.now() > {began} + 1500")  # a track has at least 1 s
        button.click()
        page.wait_for_url("**like=upload*", timeout=60_000)
        assert "recording" in page.locator(".chip").inner_text()


def test_a_hostile_title_is_text(page):
    page.goto("/?year=1900-2100")
    page.wait_for_selector(HITS)
    assert page.get_by_role("link", name=HOSTILE).is_visible()
    page.get_by_role("link", name=HOSTILE).click()
    page.wait_for_selector("#track canvas")
    assert page.get_by_role("heading", level=1).inner_text() == HOSTILE


def test_a_question_that_cannot_be_answered_says_what_to_do(page):
    page.expected_errors = ["400"]
    page.goto("/?text=x&where=nonsense+%3D+1")
    alert = page.get_by_role("alert")
    alert.wait_for()
    assert "nonsense" in alert.inner_text()
    page.goto("/?text=piano&artist=Nobody+At+All")
    page.get_by_text("Nothing passes").wait_for()


def test_a_service_that_is_gone_says_how_to_start_it(page):
    page.expected_errors = ["ERR_FAILED"]
    ask(page)
    page.route("**/api/v1/**", lambda route: route.abort())
    page.locator("#text").fill("other words")
    page.get_by_role("alert").wait_for()
    assert "tonelake serve" in page.get_by_role("alert").inner_text()
