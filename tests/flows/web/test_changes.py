"""The lake changes while the service answers: a release, a takedown."""

import threading
import time

import pytest

from flows.operations.takedown import TakedownRequest, take_down
from schemas.settings import Settings
from tests.flows.released import publish_release, write_rows
from tests.flows.web.service import API, IDS, make_lake, problem_of, serving
from tests.lake.rows import make_small_lake

PATIENCE = 20.0  # seconds, on a machine that does much else


@pytest.fixture
def lake(tmp_path):
    return make_lake(tmp_path)


def test_a_lake_in_a_store_is_read_and_its_takedowns_obeyed(s3_bucket):
    lake = make_small_lake(s3_bucket)
    publish_release(lake)
    gone = IDS[4]
    with serving(lake) as client:
        assert client.get(f"{API}/search?like={IDS[0]}&k=20").json()["release"] == 1
        take_down(TakedownRequest((gone,)), Settings(lake=lake.uri), lambda _: None)
        wait_until(lambda: client.get(f"{API}/tracks/{gone}").status_code == 404)
        hits = client.get(f"{API}/search?like={IDS[0]}&k=20").json()["hits"]
        assert len(hits) == len(IDS) - 2


class Listener(threading.Thread):
    """Asks one question again and again, and keeps the statuses and the tracks of each answer."""

    def __init__(self, client, path):
        super().__init__()
        self.client, self.path, self.answers, self.is_over = client, path, [], threading.Event()

    def run(self):
        while not self.is_over.is_set():
            response = self.client.get(self.path)
            hits = response.json().get("hits", [])
            self.answers.append((response.status_code, response.json().get("release"), len(hits)))

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.is_over.set()
        self.join()


def wait_until(condition):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_new_release_is_seen_while_others_search(lake):
    with serving(lake) as client, Listener(client, f"{API}/search?like={IDS[0]}&k=20") as listener:
        before = client.get(f"{API}/search?like={IDS[0]}")
        cursor = client.get(f"{API}/search?like={IDS[0]}&k=2").json()["next"]
        write_rows(lake, ["t-new"])
        publish_release(lake)
        wait_until(lambda: client.get(f"{API}/search?like={IDS[0]}").json()["release"] == 2)
        known = {"If-None-Match": before.headers["etag"]}
        after = client.get(f"{API}/search?like={IDS[0]}&k=20", headers=known)
        assert "t-new" in [hit["track_id"] for hit in after.json()["hits"]]
        refused = client.get(f"{API}/search", params={"like": IDS[0], "k": 2, "cursor": cursor})
        assert "without the cursor" in problem_of(refused, 400)
    assert {status for status, *_ in listener.answers} == {200}
    assert {(release, count) for _, release, count in listener.answers} <= {(1, 11), (2, 12)}


def test_a_takedown_is_obeyed_by_the_next_answer(lake):
    gone = IDS[4]
    settings = Settings(lake=lake.uri)
    with serving(lake) as client, Listener(client, f"{API}/search?like={IDS[0]}&k=20") as listener:
        client.app.state.readers.stop()  # without the look of each second
        assert client.get(f"{API}/tracks/{gone}").status_code == 200
        take_down(TakedownRequest((gone,)), settings, lambda _: None)
        hits = client.get(f"{API}/search?like={IDS[0]}&k=20").json()["hits"]
        assert gone not in [hit["track_id"] for hit in hits]
        for path in (f"tracks/{gone}", f"tracks/{gone}/similar", f"tracks/{gone}/segments"):
            problem_of(client.get(f"{API}/{path}"), 404)
        assert client.get(f"{API}/facets").json()["tracks"] == len(IDS) - 1
        refused = client.get(f"{API}/playlist", params={"from": gone, "to": IDS[0]})
        assert gone in problem_of(refused, 400)
    assert {status for status, *_ in listener.answers} == {200}


def test_a_service_over_no_lake_says_so(lake):
    with serving(lake) as client:
        client.app.state.readers._readers.clear()
        lake.file_system().mv(lake.uri, f"{lake.uri}-gone", recursive=True)
        assert "no lake" in problem_of(client.get("/readyz"), 400)
