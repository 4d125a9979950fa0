"""The service over a small lake, asked as a program asks it."""

import pytest
from starlette.testclient import TestClient

from flows.web.app import create_app
from flows.web.rules import ServeRules
from schemas.settings import Settings
from tests.flows.released import IDS, create_lake

ADDRESS = "http://127.0.0.1:8765"


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    lake = create_lake(tmp_path_factory.mktemp("web") / "lake")
    with TestClient(create_app(Settings(lake=lake.uri), ServeRules()), base_url=ADDRESS) as client:
        yield client


def test_search_answers_like_the_command_line(client):
    answer = client.get("/api/v1/search", params={"like": IDS[3], "k": 5}).json()
    assert len(answer["hits"]) == 5
    assert IDS[3] not in [hit["track_id"] for hit in answer["hits"]]
    posted = client.post("/api/v1/search", json={"like": [IDS[3]], "k": 5})
    assert posted.json() == answer


def test_a_track_and_an_unknown_one(client):
    assert client.get(f"/api/v1/tracks/{IDS[0]}").json()["track"]["title"] == IDS[0].upper()
    missing = client.get("/api/v1/tracks/nobody")
    assert (missing.status_code, missing.headers["content-type"]) == (404, "application/problem+json")


def test_status(client):
    assert client.get("/api/v1/status").json()["live"]["release"] == 1
