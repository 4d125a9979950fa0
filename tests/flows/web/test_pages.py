"""The pages of a lake with every odd thing in it, asked without a browser."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr
from starlette.testclient import TestClient

from flows.web.app import create_app
from flows.web.page_filters import ago, count_of, size, span
from flows.web.reasons import MEANINGS, next_step
from flows.web.rules import ServeRules
from flows.web.run_rows import RunRow
from lake.catalogue.runs import Run, list_runs
from lake.storage.lake import Lake
from schemas.audio import ACCEPTABLE, VERDICTS
from schemas.settings import S3Settings, Settings

LOCAL = "http://127.0.0.1:8765"
REMOTE = "http://music.example.org"
TOKEN = "a token that only this test knows"
LAKE_PAGES = ("/status", "/quarantine", "/releases", "/evaluations")


@pytest.fixture(scope="module")
def client(odd_lake):
    with TestClient(create_app(Settings(lake=str(odd_lake.lake)), ServeRules()), base_url=LOCAL) as client:
        yield client


@pytest.fixture(scope="module")
def remote(odd_lake):
    rules = ServeRules("0.0.0.0", token=SecretStr(TOKEN), names=("music.example.org",))
    app = create_app(Settings(lake=str(odd_lake.lake)), rules)
    headers = {"Authorization": f"Bearer {TOKEN}"}
    with TestClient(app, base_url=REMOTE, headers=headers) as client:
        yield client


@pytest.fixture(scope="module")
def track_ids(odd_lake):
    rows = Lake.at(str(odd_lake.lake), S3Settings()).table("tracks").to_table(columns=["track_id"])
    return rows["track_id"].to_pylist()


def page_of(client, address, status=200):
    response = client.get(address)
    assert (response.status_code, response.headers["content-type"]) == (status, "text/html; charset=utf-8"), address
    assert "<h1" in response.text
    return response.text


def test_every_track_has_a_page_whatever_its_name_and_state(client, track_ids):
    texts = [page_of(client, client.build_request("GET", f"/track/{name}").url) for name in track_ids]
    answers = " ".join(re.search(r'<p class="verdict[^>]*><span>([^<]*)', text)[1] for text in texts)
    assert len(texts) > 20
    for answer in (
        "Search finds it",
        "It is in quarantine: silent",
        "not available today",
        "does not list it any more",
    ):
        assert answer in answers
    assert not [text for text in texts if "<script>" in text]


def test_the_state_of_an_odd_lake_adds_up(client):
    text = page_of(client, "/status")
    terms = re.findall(r"</dt>|<dd>([\d,]+)</dd>", text.split("Quarantine by reason")[0])
    numbers = [int(term.replace(",", "")) for term in terms if term]
    for expected, *parts, _ in (numbers[:5], numbers[5:]):  # the last one is stale
        assert expected == sum(parts) > 0
    assert text.count('class="coverage"') == 2
    assert "stale since" in text
    for reason in ("unrecognised", "silent", "truncated"):
        assert f'href="/quarantine?reason={reason}"' in text
    assert "TONELAKE_ACCEPT=silent tonelake quarantine --retry" in text


def test_a_reason_can_be_chosen(client):
    text = page_of(client, "/quarantine?reason=silent")
    assert "silent.wav" in text
    assert "short.wav" not in text
    assert "short.wav" in page_of(client, "/quarantine")
    assert "Empty" in page_of(client, "/quarantine?reason=<script>")


def test_pages_beyond_this_machine_contain_no_path(remote, odd_lake, track_ids):
    texts = [page_of(remote, address) for address in LAKE_PAGES]
    texts += [page_of(remote, remote.build_request("GET", f"/track/{name}").url) for name in track_ids]
    assert not [text for text in texts if str(odd_lake.home) in text]
    assert any("short.wav" in text for text in texts)


@pytest.mark.parametrize("name", ["nobody", "/etc/passwd", "..%2F..%2Fetc%2Fpasswd", "<script>alert(1)</script>"])
def test_what_is_no_track_has_a_page_that_says_so(client, name):
    text = page_of(client, client.build_request("GET", f"/track/{name}").url, 404)
    assert "The lake has no track" in text
    assert "<script>alert" not in text


@pytest.mark.parametrize(
    ("address", "status", "words"),
    [
        ("/state", 404, "no page at this address"),
        ("/audio/nobody", 404, "nobody"),
    ],
)
def test_an_error_is_a_page_for_people_and_a_problem_for_programs(client, address, status, words):
    """Found so: a mistyped address was a line of JSON in the browser."""
    page = client.get(address, headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    assert (page.status_code, page.headers["content-type"]) == (status, "text/html; charset=utf-8")
    assert words in page.text
    assert '<a href="/">' in page.text
    problem = client.get(address)
    assert (problem.status_code, problem.headers["content-type"]) == (status, "application/problem+json")
    api = client.get("/api/v1/nothing", headers={"Accept": "text/html"})
    assert api.headers["content-type"] == "application/problem+json"


def test_vendored_and_own_files_are_sent_and_asked_for_anew(client):
    for name, kind in (
        ("search.js", "text/javascript"),
        ("vendor/preact.mjs", "text/javascript"),
        ("style.css", "text/css"),
    ):
        response = client.get(f"/static/{name}")
        assert response.status_code == 200
        assert response.headers["content-type"].startswith(kind)
        assert response.headers["cache-control"] == "no-cache"
    assert client.get("/static/vendor/renew.py").status_code == 404
    assert client.get("/static/vendor/..%2Fapp.py").status_code == 404


def test_every_reason_says_what_it_means_and_what_to_do():
    fatal = {name for name, is_fatal in VERDICTS.items() if is_fatal}
    assert set(MEANINGS) == fatal
    assert {name for name in fatal if next_step(name).accept} == ACCEPTABLE
    assert next_step("a reason of tomorrow").command == "tonelake refresh"


def test_a_run_shows_its_price_or_what_it_took(odd_lake):
    started = datetime(2026, 1, 1, tzinfo=UTC)
    fields = ("r", "index", "fake", "v", None, {}, "done")
    counts = {"embedded_now": 3, "quarantined": 1, "core_seconds": 1234.5, "gpu_seconds": 0.0, "cost": None}
    run = Run(*fields, counts, "host", started, started + timedelta(seconds=90))
    row = RunRow.of(run)
    assert (row.seconds, row.embedded, row.quarantined, row.cost) == (90, 3, 1, "1,234 core s")
    priced = Run(*fields, counts | {"cost": 1.5, "currency": "EUR"}, "host", started, None)
    assert RunRow.of(priced).cost == "1.50 EUR"
    rows = [RunRow.of(run) for run in list_runs(Lake.at(str(odd_lake.lake), S3Settings()))]
    assert rows
    assert not any(row.is_running for row in rows)


def test_numbers_as_text():
    assert [size(value) for value in (None, 0, 999, 1000, 123_456, 5_600_000_000)] == [
        "", "0 B", "999 B", "1.0 kB", "123 kB", "5.6 GB",
    ]  # fmt: skip
    assert [span(value) for value in (None, 0, 59.9, 61, 3661)] == ["", "0:00", "0:59", "1:01", "1:01:01"]
    assert [count_of(value, "track") for value in (0, 1, 1200)] == ["0 tracks", "1 track", "1,200 tracks"]
    now = datetime.now(UTC)
    gaps = [timedelta(seconds=5), timedelta(minutes=2), timedelta(hours=1, minutes=59), timedelta(days=3)]
    assert [ago(now - gap) for gap in gaps] == ["just now", "2 minutes ago", "1 hour ago", "3 days ago"]
