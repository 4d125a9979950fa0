"""A service with a token: the login page, and pages beyond it."""

from tests.flows.web.browser.conftest import Service, opened_page, running_service
from tests.flows.web.browser.test_every_page import violations
from tests.flows.web.browser.test_search_page import HITS

TOKEN = "a token that only this test knows"


def test_one_login_opens_the_pages_and_the_token_is_in_no_address(browser, service):
    with running_service(service.lake, TONELAKE_TOKEN=TOKEN) as address:
        guarded = Service(address, service.music, service.lake)
        with opened_page(browser, guarded) as page:
            page.expected_errors = ["401"]
            page.goto("/?text=calm")
            page.wait_for_url("**/login*")
            assert not violations(page)
            page.get_by_label("Token").fill("a wrong one")
            page.keyboard.press("Enter")
            page.get_by_role("alert").wait_for()
            page.get_by_label("Token").fill(TOKEN)
            page.keyboard.press("Enter")
            page.wait_for_url(f"{address}/")
            page.goto("/?text=calm+harp")
            page.wait_for_selector(HITS)
            page.locator(f"{HITS} button.round").nth(0).click()
            page.wait_for_function("() => document.getElementById('audio').currentTime > 0")
            assert TOKEN not in page.url
