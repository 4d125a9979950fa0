"""/api/v1/map: all points that may be shown, a byte of colour for each, and what a lasso selects."""

import json
import re
import struct

import numpy as np
import pytest

from flows.map.make_map import MapRequest, make_map
from flows.map.points import STEPS
from flows.map.regions import GRIDS, name_regions
from flows.operations.takedown import TakedownRequest, take_down
from flows.web import map_api, maps
from flows.web.map_api import MAX_CORNERS
from flows.web.static_files import FOLDER as STATIC
from lake.releases.map_table import read_map
from schemas.settings import Settings
from tests.flows.released import publish_release, write_rows
from tests.flows.web.service import API, IDS, make_lake, problem_of, serving
from tests.lake.rows import SPEC


def make_mapped_lake(folder):
    lake = make_lake(folder)
    make_map(MapRequest(method="pca"), Settings(lake=lake.uri), print)
    return lake


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    return make_mapped_lake(tmp_path_factory.mktemp("map"))


@pytest.fixture(scope="module")
def client(lake):
    with serving(lake) as client:
        yield client


def read_numbers(response, dtype):
    """Return the header and the numbers behind it."""
    assert response.status_code == 200, response.text
    (length,) = struct.unpack_from("<I", response.content)
    assert length % 4 == 0
    return json.loads(response.content[4 : 4 + length]), np.frombuffer(response.content[4 + length :], dtype)


def read_points(client):
    header, numbers = read_numbers(client.get(f"{API}/map"), "<u2")
    return header, numbers.reshape(-1, 2)


def test_points_are_all_tracks_in_the_form_of_the_map(client, lake):
    header, points = read_points(client)
    assert (header["points"], header["missing"], header["steps"]) == (len(IDS), 0, STEPS)
    assert len(points) == len(IDS)
    parameters = {"map": header["map"], "index": [*range(len(IDS))]}
    track_ids = [track["track_id"] for track in client.get(f"{API}/map/tracks", params=parameters).json()["tracks"]]
    assert sorted(track_ids) == IDS
    stored = {row["track_id"]: (row["x"], row["y"]) for row in read_map(lake, SPEC).to_pylist()}
    positions = np.array([stored[track] for track in track_ids])
    lengths, drawn = (np.linalg.norm(rows - rows.mean(axis=0), axis=1) for rows in (positions, points.astype(float)))
    np.testing.assert_allclose(drawn / drawn.max(), lengths / lengths.max(), atol=1e-3)
    assert points.min() > 0.01 * STEPS
    assert points.max() < 0.99 * STEPS


def test_an_unchanged_map_is_not_sent_again(client):
    first = client.get(f"{API}/map")
    repeated = client.get(f"{API}/map", headers={"If-None-Match": first.headers["etag"]})
    assert (repeated.status_code, repeated.content) == (304, b"")


def test_colours_are_a_byte_a_point(client):
    header, points = read_points(client)
    legend, codes = read_numbers(client.get(f"{API}/map/colours", params={"map": header["map"], "by": "tag"}), "u1")
    assert legend["names"] == ["loud"]
    assert legend["counts"] == [len(IDS)]
    assert codes.tolist() == [0] * len(points)
    legend, codes = read_numbers(client.get(f"{API}/map/colours", params={"map": header["map"], "by": "year"}), "u1")
    assert (legend["unknown"], codes.tolist()) == (len(IDS), [255] * len(points))
    parameters = {"map": header["map"], "by": "tag", "name": "soft"}
    legend, codes = read_numbers(client.get(f"{API}/map/colours", params=parameters), "u1")
    assert legend["title"] == "soft"


def test_the_best_scores_have_the_last_colours(client):
    header, points = read_points(client)
    parameters = {"map": header["map"], "by": "score", "like": IDS[4]}
    legend, codes = read_numbers(client.get(f"{API}/map/colours", params=parameters), "u1")
    best = client.get(f"{API}/map/tracks", params={"map": header["map"], "index": int(codes.argmax())}).json()
    assert best["tracks"][0]["track_id"] == IDS[4]
    assert legend["low"] < legend["high"] <= 1.0
    assert len(codes) == len(points)


def test_a_lasso_selects_what_lies_in_it(client):
    header, points = read_points(client)
    low, high = points.min(axis=0) / STEPS - 0.001, points.max(axis=0) / STEPS + 0.001
    middle = float(np.median(points[:, 0]) / STEPS)
    polygon = [[low[0], low[1]], [middle, low[1]], [middle, high[1]], [low[0], high[1]]]
    answer = client.post(f"{API}/map/selection", json={"map": header["map"], "polygon": polygon}).json()
    inside = np.flatnonzero(points[:, 0] / STEPS < middle)
    assert answer["tracks"] == len(inside)
    hits = client.get(f"{API}/search", params={"within": answer["within"], "k": 50}).json()["hits"]
    parameters = {"map": header["map"], "index": inside.tolist()}
    chosen = [track["track_id"] for track in client.get(f"{API}/map/tracks", params=parameters).json()["tracks"]]
    assert sorted(hit["track_id"] for hit in hits) == sorted(chosen)
    body = {"map": header["map"], "indices": inside.tolist()}
    assert client.post(f"{API}/map/selection", json=body).json() == answer
    empty = {"map": header["map"], "polygon": [[0, 0], [0.001, 0], [0, 0.001]]}
    assert client.post(f"{API}/map/selection", json=empty).json() == {"within": None, "tracks": 0}


def test_a_lasso_of_any_form_selects_what_lies_in_it(client):
    header, points = read_points(client)
    angles = np.linspace(0, 2 * np.pi, MAX_CORNERS, endpoint=False)
    radius = np.where(np.arange(MAX_CORNERS) % 2, 0.5, 0.15)  # a star: its box has more points than it
    polygon = 0.5 + radius[:, None] * np.column_stack([np.cos(angles), np.sin(angles)])
    expected = maps._is_inside(points, polygon * STEPS)
    assert 0 < expected.sum() < len(IDS)
    body = {"map": header["map"], "polygon": polygon.tolist()}
    assert client.post(f"{API}/map/selection", json=body).json()["tracks"] == expected.sum()
    body["polygon"] += [[0.5, 0.5]]
    assert "at most 300" in problem_of(client.post(f"{API}/map/selection", json=body), 422)
    endless = json.dumps({"map": header["map"], "polygon": [[0, 0], [1, 0], [0, float("inf")]]})
    sent = {"content": endless, "headers": {"Content-Type": "application/json"}}
    assert "finite" in problem_of(client.post(f"{API}/map/selection", **sent), 422)


def test_the_page_draws_no_longer_lasso_than_the_service_takes():
    script = (STATIC / "map.js").read_text()
    assert int(re.search(r"const CORNERS = (\d+);", script)[1]) == MAX_CORNERS


def test_points_outside_the_box_of_a_lasso_are_not_tested(client, monkeypatch):
    header, points = read_points(client)
    tested = []
    monkeypatch.setattr(maps, "_is_inside", lambda near, _: tested.extend(near.tolist()) or np.ones(len(near), bool))
    x, y = points[3] / STEPS
    polygon = [[x - 0.001, y - 0.001], [x + 0.001, y - 0.001], [x, y + 0.001]]
    client.post(f"{API}/map/selection", json={"map": header["map"], "polygon": polygon})
    assert tested == [points[3].tolist()]


def test_a_selection_is_bounded(client, monkeypatch):
    header, _ = read_points(client)
    monkeypatch.setattr(map_api, "MAX_WITHIN", len(IDS) - 1)
    body = {"map": header["map"], "polygon": [[0, 0], [1, 0], [1, 1], [0, 1]]}
    assert "draw a smaller lasso" in problem_of(client.post(f"{API}/map/selection", json=body), 400)


def test_so_many_lassos_at_once_and_no_more(client):
    header, _ = read_points(client)
    body = {"map": header["map"], "polygon": [[0, 0], [1, 0], [1, 1], [0, 1]]}
    slots = client.app.state.lassos
    with slots:
        assert client.post(f"{API}/map/selection", json=body).status_code == 200
        with slots:
            refused = client.post(f"{API}/map/selection", json=body)
    assert "try again" in problem_of(refused, 429)
    assert refused.headers["retry-after"] == "1"


@pytest.mark.parametrize(
    ("path", "parameters", "words"),
    [
        ("map/tracks", {"map": "older", "index": 0}, "load the page again"),
        ("map/tracks", {"index": 99}, "12 points, from 0 on"),
        ("map/tracks", {"index": -1}, "12 points, from 0 on"),
        ("map/colours", {"by": "mood"}, "there are genre, tag, year"),
        ("map/colours", {"by": "tag", "name": "lout"}, "did you mean loud"),
        ("map/colours", {"by": "score"}, "the score of what?"),
    ],
)
def test_bad_questions_are_one_line(client, path, parameters, words):
    header, _ = read_points(client)
    assert words in problem_of(client.get(f"{API}/{path}", params={"map": header["map"]} | parameters), 400)


def test_a_map_is_coloured_whole(client):
    header, _ = read_points(client)
    parameters = {"map": header["map"], "by": "tag", "genre": "Rock"}
    assert "genre" in problem_of(client.get(f"{API}/map/colours", params=parameters), 422)


def test_a_lasso_is_points_or_a_polygon(client):
    header, _ = read_points(client)
    assert "Give `indices`" in problem_of(client.post(f"{API}/map/selection", json={"map": header["map"]}), 400)


def test_without_a_map_the_answer_says_how_to_make_one(tmp_path):
    with serving(make_lake(tmp_path)) as client:
        assert "tonelake map" in problem_of(client.get(f"{API}/map"), 400)


def test_new_tracks_are_counted_until_they_are_placed_and_taken_down_ones_are_gone(tmp_path):
    lake = make_mapped_lake(tmp_path)
    with serving(lake) as client:
        before, _ = read_points(client)
        write_rows(lake, ["u1"])
        publish_release(lake)
        client.app.state.readers.renew()
        header, _ = read_points(client)
        assert (header["points"], header["missing"]) == (len(IDS), 1)
        make_map(MapRequest(method="pca"), Settings(lake=lake.uri), print)
        client.app.state.readers.renew()
        header, _ = read_points(client)
        assert (header["points"], header["missing"]) == (len(IDS) + 1, 0)
        take_down(TakedownRequest((IDS[2],), reason="test"), Settings(lake=lake.uri), print)
        after, points = read_points(client)
        assert after["points"] == len(points) == len(IDS)
        stale = client.get(f"{API}/map/tracks", params={"map": header["map"], "index": 0})
        assert "load the page again" in problem_of(stale, 400)
        tracks = client.get(f"{API}/map/tracks", params={"map": after["map"], "index": [*range(len(points))]}).json()
        assert IDS[2] not in [track["track_id"] for track in tracks["tracks"]]
        assert before["map"] != after["map"]


def test_tracks_whose_rights_ended_are_no_points(tmp_path):
    lake = make_mapped_lake(tmp_path)
    lake.table("tracks").update({"available_to": "'2020-12-31'"}, where=f"track_id = '{IDS[1]}'")
    with serving(lake) as client:
        header, points = read_points(client)
    assert (header["points"], len(points)) == (len(IDS) - 1, len(IDS) - 1)


def test_labels_name_regions(client):
    answer = client.get(f"{API}/map/labels").json()
    assert {region["name"] for region in answer["regions"]} <= {"loud", "soft"}


def test_a_region_has_the_tag_that_is_more_frequent_there():
    random = np.random.default_rng(0)
    positions = random.random((2000, 2))
    is_left = positions[:, 0] < 0.5
    tags = np.where(random.random(2000) < 0.2, 2, np.where(is_left, 0, 1))
    regions = name_regions(positions, np.arange(2000), tags, ["calm", "loud", "usual"])
    far = [region for region in regions if region.level == 0]
    assert {(region.name, region.x < 0.5) for region in far} == {("calm", True), ("loud", False)}
    assert len(far) <= GRIDS[0][1]
    assert regions == name_regions(positions, np.arange(2000), tags, ["calm", "loud", "usual"])
