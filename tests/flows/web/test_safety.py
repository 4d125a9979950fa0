"""Who may ask, how much, and what is never shown."""

import socket
import threading
from contextlib import ExitStack
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest
from pydantic import SecretStr

from flows.web.app import THREADS
from flows.web.limits import Recent, Slots
from flows.web.rules import ServeRules
from schemas.errors import UserError
from tests.flows.web.service import API, IDS, listening, make_lake, problem_of, serving

TOKEN = "correct-horse-battery-staple"
REMOTE = ServeRules(token=SecretStr(TOKEN), names=("music.example.org",))
OTHERS = "https://music.example.org"
LINK = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
BEARER = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    return make_lake(tmp_path_factory.mktemp("safety"))


@pytest.fixture(scope="module")
def client(lake):
    with serving(lake) as client:
        yield client


@pytest.fixture
def remote(lake):
    with serving(lake, REMOTE, OTHERS) as client:
        yield client


def test_every_answer_has_the_headers(client):
    for path in (f"{API}/status", "/nix", f"{API}/search?k=0"):
        headers = client.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert "default-src 'self'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["referrer-policy"] == "same-origin"
        assert "access-control-allow-origin" not in headers


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:8765", ""])
def test_a_name_that_is_rebound_here_is_refused(client, host):
    refused = client.get(f"{API}/status", headers={"Host": host})
    assert refused.status_code == 400
    assert "lake" not in refused.text


@pytest.mark.parametrize("host", ["127.0.0.1:1", "localhost", "[::1]:8765"])
def test_names_of_this_machine_are_answered(client, host):
    assert client.get("/healthz", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:3000"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "http://[x"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"},
    ],
)
def test_other_websites_are_refused(client, headers):
    for method in ("GET", "POST"):
        refused = client.request(method, f"{API}/search", headers=headers)
        assert "another website" in problem_of(refused, 403)


def test_own_pages_and_links_are_answered(client):
    headers = {"Origin": "http://127.0.0.1:8765", "Sec-Fetch-Site": "same-origin"}
    assert client.post(f"{API}/search", json={"like": [IDS[0]]}, headers=headers).status_code == 200
    assert client.get("/login", headers=LINK).status_code == 200
    assert client.get(f"/track/{IDS[0]}", headers=LINK | {"Sec-Fetch-Dest": "document"}).status_code == 200


@pytest.mark.parametrize("target", ["iframe", "frame", "embed", "object", "image", ""])
def test_other_websites_show_no_page_in_a_frame(client, target):
    assert "another website" in problem_of(client.get("/status", headers=LINK | {"Sec-Fetch-Dest": target}), 403)


@pytest.mark.parametrize(
    "path", [f"{API}/status", f"/audio/{IDS[0]}", f"/peaks/{IDS[0]}", "/mcp", "/metrics", "/openapi.json"]
)
def test_links_of_other_websites_lead_to_pages_only(client, path):
    assert "another website" in problem_of(client.get(path, headers=LINK), 403)


def test_without_the_token_nothing_is_shown(remote):
    for path in (f"{API}/status", "/metrics", "/openapi.json", "/audio/t0000", "/nix"):
        assert "token" in problem_of(remote.get(path), 401)
    assert problem_of(remote.get(f"{API}/status?token={TOKEN}"), 401)
    assert remote.get("/healthz").status_code == remote.get("/readyz").status_code == 200
    assert remote.get(f"{API}/status", headers=BEARER).status_code == 200


def test_one_login_gives_a_cookie_that_is_not_the_token(remote):
    page = remote.get("/", headers={"Accept": "text/html"}, follow_redirects=False)
    assert (page.status_code, page.headers["location"]) == (303, "/login")
    assert remote.post("/login", data={"token": "wrong"}).status_code == 401
    cookie = remote.post("/login", data={"token": TOKEN}, follow_redirects=False).headers["set-cookie"]
    assert TOKEN not in cookie
    assert all(word in cookie for word in ("HttpOnly", "SameSite=strict", "Secure", "Path=/"))
    assert remote.get(f"{API}/status").status_code == 200
    remote.cookies.clear()
    assert remote.get(f"{API}/status", headers={"Cookie": "tonelake=" + "0" * 64}).status_code == 401


def test_guessing_is_slowed_down(remote):
    for number in range(10):
        problem_of(remote.get(f"{API}/status", headers={"Authorization": f"Bearer guess-{number}"}), 401)
    refused = remote.get(f"{API}/status", headers=BEARER)
    assert "wait" in problem_of(refused, 429)
    assert int(refused.headers["retry-after"]) <= 60
    assert remote.post("/login", data={"token": TOKEN}).status_code == 429


def test_who_is_logged_in_is_not_locked_out_by_others_of_the_same_address(remote):
    remote.post("/login", data={"token": TOKEN}, follow_redirects=False)
    cookies = dict(remote.cookies)
    remote.cookies.clear()
    for number in range(10):
        remote.get(f"{API}/status", headers={"Authorization": f"Bearer guess-{number}"})
    assert remote.get(f"{API}/status", headers=BEARER).status_code == 429
    remote.cookies.update(cookies)
    assert remote.get(f"{API}/status").status_code == 200


def test_others_need_a_token():
    for rules in ({"host": "0.0.0.0"}, {"host": "192.168.1.7"}, {"names": ("music.example.org",)}):
        with pytest.raises(UserError, match="TONELAKE_TOKEN"):
            ServeRules(**rules)
    with pytest.raises(UserError, match="too short"):
        ServeRules(token=SecretStr("short"))
    assert TOKEN not in repr(REMOTE)


def test_remote_answers_contain_no_path(lake, remote):
    addresses = [
        *("status", "runs", "releases", "quarantine", "evaluations", f"tracks/{IDS[0]}", "tracks/y-quarantined"),
        *(
            f"search?like={IDS[0]}",
            f"tracks/{IDS[0]}/similar",
            "search?like=/m/nobody.wav",
            "search?encoder=nix&text=a",
        ),
        f"playlist?from={IDS[0]}&to={IDS[1]}&n=3",
    ]
    for address in addresses:
        text = remote.get(f"{API}/{address}", headers=BEARER).text
        assert "/m/" not in text, address
        assert lake.uri not in text, address
    assert "paths" in problem_of(remote.get(f"{API}/search", params={"where": "URI LIKE '/h%'"}, headers=BEARER), 400)


def test_remote_playlists_have_addresses_without_a_token(remote):
    made = remote.get(f"{API}/playlist?from={IDS[0]}&to={IDS[1]}&n=2&format=m3u8", headers=BEARER).text
    lines = [line for line in made.splitlines() if not line.startswith("#")]
    assert lines == [f"{OTHERS}/audio/{IDS[0]}", f"{OTHERS}/audio/{IDS[1]}"]


def test_files_of_this_machine_cannot_be_named(client, tmp_path):
    file = tmp_path / "sound.wav"
    file.write_bytes(b"RIFF")
    for name in (str(file), f"file://{file}", "s3://bucket/sound.wav", f"{file}:0.5"):
        assert "no track is named" in problem_of(client.get(f"{API}/search", params={"like": name}), 400)


def test_more_questions_than_allowed_are_refused(lake):
    with serving(lake, ServeRules(queries_at_once=1)) as client:
        slots = client.app.state.queries
        with slots:
            refused = client.get(f"{API}/search", params={"like": IDS[0]})
        assert "try again" in problem_of(refused, 429)
        assert refused.headers["retry-after"] == "1"
        assert client.get("/healthz").status_code == 200
        assert client.get(f"{API}/search", params={"like": IDS[0]}).status_code == 200


def test_slots_are_given_back_after_errors():
    slots = Slots(1, "busy")
    for _ in range(3):
        with pytest.raises(ValueError, match="x"), slots:
            raise ValueError("x")


def test_large_bodies_are_refused(lake):
    with serving(lake, ServeRules(body_bytes=1000)) as client:
        large = b'{"text": "' + b"x" * 2000 + b'"}'
        headers = {"Content-Type": "application/json"}
        problem_of(client.post(f"{API}/search", content=large, headers=headers), 413)
        problem_of(client.post(f"{API}/search", content=iter([large[:900], large[900:]]), headers=headers), 413)


def test_a_defect_shows_nothing_of_itself(lake, monkeypatch):
    def fail(*_):
        raise RuntimeError("internal /home/secret")

    monkeypatch.setattr("flows.web.api.search.answer", fail)
    with serving(lake) as client:
        detail = problem_of(client.get(f"{API}/search", params={"like": IDS[0]}), 500)
    assert "secret" not in detail


def test_questions_are_not_logged(lake, caplog):
    with serving(lake) as client, caplog.at_level("DEBUG"):
        client.get(f"{API}/search", params={"text": "a song for nobody else"})
    assert "nobody else" not in "".join(record.getMessage() for record in caplog.records if record.name != "httpx")


def test_many_readers_share_a_service(client):
    statuses = []

    def ask():
        statuses.append(client.get(f"{API}/search", params={"like": IDS[0]}).status_code)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert statuses == [200] * 8


def test_costly_questions_are_refused(client):
    texts = [f"word {number}" for number in range(20)]
    assert "at most 32" in problem_of(client.post(f"{API}/search", json={"also": texts, "not": texts}), 400)
    path = {"from": IDS[0], "to": IDS[1], "n": 500}
    assert "at most 100" in problem_of(client.get(f"{API}/playlist", params=path), 400)


def test_a_slow_report_is_made_once_for_all():
    made, may_end = [], threading.Event()

    def make():
        made.append(len(made))
        assert len(made) == 1 or may_end.wait(60)
        return len(made)

    report = Recent(make, 0.0)
    assert report.get() == 1
    maker = threading.Thread(target=report.get)
    maker.start()
    while len(made) < 2:
        may_end.wait(0.001)
    assert report.get() == 1  # the earlier one, without waiting
    may_end.set()
    maker.join()
    assert len(made) == 2
    assert Recent(lambda: made.append(0) or "kept", 60.0).get() == "kept"


def test_slow_clients_cost_no_thread(lake):
    with listening(lake) as address, ExitStack() as stack:
        host, port = urlsplit(address).hostname, urlsplit(address).port
        head = f"POST {API}/search HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 99"
        question = f"GET {API}/search?like={IDS[0]}&k=12 HTTP/1.1\r\nHost: localhost\r\n\r\n"
        for _ in range(2 * THREADS):
            for text in (f"{head}\r\n\r\n{{", question * 20):  # one sends no more, one reads nothing
                slow = stack.enter_context(socket.create_connection((host, port)))
                slow.sendall(text.encode())
        statuses = set()
        for _ in range(20):  # the questions of those who read nothing are answered meanwhile: some are one too many
            with urlopen(f"{address}/readyz", timeout=30) as answer:
                statuses.add(answer.status)
        assert statuses == {200}
