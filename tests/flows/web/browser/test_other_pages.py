"""Playlists, a track, the state of the lake, in a browser."""

import re
from pathlib import Path

from lake.catalogue.runs import RunRecord, new_run_id
from lake.storage.lake import Lake
from schemas.settings import S3Settings
from tests.flows.web.browser.conftest import BROKEN
from tests.flows.web.browser.test_search_page import HITS, ask


def fill_tray(page, count=4):
    ask(page)
    for index in range(count):
        page.locator(HITS).nth(index).get_by_role("button", name=re.compile("^Put into the playlist")).click()
    page.get_by_role("link", name=re.compile("^Playlist")).click()
    page.wait_for_function(f"() => document.querySelectorAll('{HITS}').length === {count}")


def ids(page):
    return page.eval_on_selector_all(HITS, "rows => rows.map((row) => row.dataset.id)")


def test_a_playlist_from_the_tray_to_a_file(page, tmp_path):
    fill_tray(page)
    before = ids(page)
    page.locator(HITS).nth(0).get_by_role("button", name=re.compile("^Move down")).press("Enter")
    assert ids(page) == [before[1], before[0], *before[2:]]
    assert re.match("Move down", page.evaluate("document.activeElement.getAttribute('aria-label')"))
    page.wait_for_load_state("networkidle")  # what comes later draws the rows again
    page.locator(HITS).nth(3).drag_to(page.locator(HITS).nth(0), steps=5)
    page.wait_for_function(f"() => document.querySelector('{HITS}').dataset.id === '{before[3]}'")
    page.get_by_role("button", name="Order for flow").click()
    page.wait_for_function("() => document.getElementById('announcer').textContent.includes('flow')")
    assert sorted(ids(page)) == sorted(before)
    page.get_by_label("Name").fill("Evening / one")
    for suffix in ("m3u8", "jspf", "csv"):
        with page.expect_download() as download:
            page.get_by_role("button", name=f"Save as {suffix.upper()}").click()
        assert download.value.suggested_filename.endswith(suffix)
        download.value.save_as(tmp_path / f"list.{suffix}")
    lines = (tmp_path / "list.m3u8").read_text().splitlines()
    entries = [line for line in lines if not line.startswith("#")]
    assert len(entries) == 4
    assert all(Path(entry).is_file() for entry in entries)
    page.reload()  # the tray stays
    page.wait_for_selector(HITS)
    assert len(ids(page)) == 4
    page.get_by_role("button", name="Empty").click()
    page.get_by_text("The tray is empty").wait_for()


def test_a_path_and_words_become_playlists(page):
    fill_tray(page, 2)
    first, last = ids(page)
    page.get_by_role("link", name="Path", exact=True).click()
    page.get_by_label("From:").fill(first)
    page.get_by_label("To:").fill(last)
    page.get_by_role("spinbutton", name="Tracks").fill("4")
    page.get_by_role("button", name="Find the path").click()
    page.wait_for_url(f"**from={first}*")
    page.wait_for_function(f"() => document.querySelectorAll('{HITS}').length === 4")
    assert (ids(page)[0], ids(page)[-1]) == (first, last)
    assert page.locator("#from").inner_text() == page.locator(f"{HITS} .title").nth(0).inner_text()
    page.get_by_role("link", name="Words", exact=True).click()
    page.get_by_label("Words that describe it").fill("calm harp")
    page.get_by_role("button", name="Make the playlist").click()
    page.wait_for_selector(HITS)
    page.get_by_role("button", name="Keep in the tray").click()
    page.wait_for_url("**/playlist")
    assert len(ids(page)) > 2


def test_a_track_says_everything_that_is_known(page):
    ask(page)
    title = page.locator(f"{HITS} .title").nth(1)
    name = title.inner_text()
    title.click()
    page.wait_for_selector("#similar .hit")
    assert page.get_by_role("heading", level=1).inner_text() == name
    text = page.locator("main").inner_text()
    assert all(part in text for part in ("Search finds it", "Tags", "Codec", "Releases", "always, everywhere"))
    page.get_by_role("button", name=re.compile("^Play$")).click()
    page.wait_for_function("() => document.getElementById('audio').currentTime > 0.2")
    page.get_by_role("link", name="More like this").click()
    page.wait_for_url("**like=*")


def test_the_state_of_the_lake_leads_to_what_is_in_quarantine(page):
    page.expected_errors = ["404"]
    page.goto("/status")
    assert "All 7 tracks are accounted for: 6 embedded, 1 in quarantine" in page.locator("main").inner_text()
    assert page.get_by_role("img", name="6 tracks embedded, 1 in quarantine, 0 pending").is_visible()
    page.get_by_role("link", name="unrecognised").click()
    assert "tonelake refresh" in page.locator("main").inner_text()
    page.get_by_role("link", name=re.compile(re.escape(BROKEN))).click()
    assert "It is in quarantine: unrecognised" in page.locator("main").inner_text()
    page.goto("/track/nobody")
    assert "The lake has no track nobody" in page.locator("main").inner_text()


def test_a_run_in_progress_is_seen_without_a_reload(page, service):
    lake = Lake.at(str(service.lake), S3Settings())
    page.clock.install()
    page.goto("/status")
    with RunRecord(lake, new_run_id(), "index", None, {}) as record:
        page.clock.run_for(61_000)
        page.locator(".running").wait_for()
        record.finish({})
    page.clock.run_for(6_000)
    page.locator(".running").wait_for(state="detached")
    assert page.locator("#announcer").inner_text() == "A run began or ended"


def test_the_state_works_without_javascript(browser, service):
    context = browser.new_context(java_script_enabled=False, base_url=service.address)
    page = context.new_page()
    for address in ("/status", "/quarantine", "/releases", "/evaluations"):
        assert page.goto(address).status == 200
        assert page.get_by_role("heading", level=1).is_visible()
    context.close()
