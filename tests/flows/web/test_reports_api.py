"""Playlists, and the reports on the state of a lake."""

import csv
import json

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.cli import run_json
from tests.flows.web.service import API, IDS, make_lake, problem_of, serving


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    return make_lake(tmp_path_factory.mktemp("reports"))


@pytest.fixture(scope="module")
def client(lake):
    with serving(lake) as client:
        yield client


def test_a_path_is_the_playlist_of_the_command_line(client, lake):
    made = client.get(f"{API}/playlist", params={"from": IDS[0], "to": IDS[5], "n": 4}).json()
    printed = run_json(lake.uri, "playlist", "--from", IDS[0], "--to", IDS[5], "-n", 4, encoder="made-up")
    assert {name: made[name] for name in printed} == printed


def test_a_playlist_as_a_file(client):
    listed = {"tracks": IDS[:3], "order": "rank", "title": "three / \r\nof them"}
    texts = {
        suffix: client.post(f"{API}/playlist", json=listed | {"format": suffix}) for suffix in ("m3u8", "jspf", "csv")
    }
    lines = texts["m3u8"].text.splitlines()
    assert [line for line in lines if not line.startswith("#")] == [f"/m/{name}.wav" for name in IDS[:3]]
    assert [track["title"] for track in json.loads(texts["jspf"].text)["playlist"]["track"]] == [
        "T0000",
        "T0001",
        "T0002",
    ]
    assert [row["track_id"] for row in csv.DictReader(texts["csv"].text.splitlines())] == IDS[:3]
    assert all(text.headers["content-disposition"].startswith("attachment") for text in texts.values())


def test_a_playlist_of_nothing_says_what_to_ask(client):
    assert "a playlist of what?" in problem_of(client.get(f"{API}/playlist"), 400)
    assert "none of the 1 tracks" in problem_of(client.post(f"{API}/playlist", json={"tracks": ["nobody"]}), 400)


def test_status_and_releases_are_those_of_the_command_line(client, lake):
    assert client.get(f"{API}/status").json() == run_json(lake.uri, "status", encoder="made-up")
    releases = client.get(f"{API}/releases").json()
    printed = run_json(lake.uri, "releases", encoder="made-up")
    times = [row.pop("published_at").replace("T", " ") for row in [*releases["items"], *printed]]
    assert releases["items"] == printed
    assert times[0] == times[1]


def test_runs_come_in_pages(client):
    runs = client.get(f"{API}/runs", params={"limit": 1}).json()
    assert (runs["items"][0]["command"], runs["total"], runs["next"]) == ("index", 1, None)


def test_quarantine_by_reason(client):
    quarantine = client.get(f"{API}/quarantine").json()
    assert quarantine["reasons"] == {"silent": 1}
    assert quarantine["items"][0]["track_id"] == "y-quarantined"
    assert client.get(f"{API}/quarantine", params={"reason": "other"}).json()["items"] == []


def test_evaluations_of_a_lake_without_any(client):
    evaluations = client.get(f"{API}/evaluations").json()
    assert evaluations["items"] == []
    assert "tonelake evaluate" in evaluations["remark"]


def test_metrics_of_the_lake_and_of_the_service(client):
    client.get(f"{API}/search", params={"text": "secret words", "where": "bad"})
    text = client.get("/metrics").text
    samples = {sample.name: sample for family in text_string_to_metric_families(text) for sample in family.samples}
    assert samples["tonelake_live_release"].value == 1
    assert samples["tonelake_serve_requests_total"].value >= 1
    assert "secret" not in text


def test_health(client):
    assert client.get("/healthz").text == "ok\n"
    assert client.get("/readyz").text == "ready\n"


def test_unknown_addresses_and_methods(client):
    problem_of(client.get("/api/v1/nix"), 404)
    problem_of(client.delete(f"{API}/search"), 405)
