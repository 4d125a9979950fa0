"""The API's searches answer what the command line answers."""

from urllib.parse import quote

import pytest

from flows.search import reader
from flows.web.api import parameters
from lake.embeddings.filters import Filter
from tests.cli import run_json
from tests.flows.released import create_lake
from tests.flows.web.service import API, IDS, make_lake, problem_of, serving


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    return make_lake(tmp_path_factory.mktemp("api"))


@pytest.fixture(scope="module")
def client(lake):
    with serving(lake) as client:
        yield client


def track_ids(answer):
    return [hit["track_id"] for hit in answer["hits"]]


def test_a_search_gives_the_hits_of_the_command_line(client, lake):
    answer = client.get(f"{API}/search", params={"like": IDS[3], "k": 5}).json()
    printed = run_json(lake.uri, "search", "--like", IDS[3], "-k", 5, encoder="made-up")
    assert answer["hits"] == printed
    assert answer["release"] == 1
    assert client.post(f"{API}/search", json={"like": [IDS[3]], "k": 5}).json() == answer


def test_weights_and_unlike_are_those_of_the_command_line(client, lake):
    parameters = {"like": f"{IDS[1]}:0.5", "unlike": IDS[2], "explain": True, "k": 4}
    options = ["--like", f"{IDS[1]}:0.5", "--unlike", IDS[2], "--explain", "-k", 4]
    answer = client.get(f"{API}/search", params=parameters).json()
    assert answer["hits"] == run_json(lake.uri, "search", *options, encoder="made-up")
    assert answer["hits"][0]["found_by"]


@pytest.mark.parametrize(
    ("parameters", "option"),
    [
        ({"year": "MCM"}, ["--year", "MCM"]),
        ({"tag": "lod"}, ["--tag", "lod"]),
        ({"where": "nix = 1"}, ["--where", "nix = 1"]),
        ({"like": "nobody"}, ["--like", "nobody"]),
        ({}, []),
        ({"like": [IDS[1], f"{IDS[2]}:7"]}, ["--like", IDS[1], "--like", f"{IDS[2]}:7"]),
    ],
)
def test_errors_have_the_words_of_the_command_line(client, lake, parameters, option):
    from tests.cli import error_line

    printed = error_line("--lake", lake.uri, "--encoder", "made-up", "search", *option).removeprefix("tonelake: ")
    assert problem_of(client.get(f"{API}/search", params=parameters), 400) == printed


@pytest.mark.parametrize("parameters", [{"k": "many"}, {"k": 0}, {"frob": 1}, {"text": "x" * 2000}, {"diversity": 2}])
def test_impossible_values_are_named(client, parameters):
    name = next(iter(parameters))
    assert name in problem_of(client.get(f"{API}/search", params=parameters), 422)


def test_pages_of_a_search_are_its_answer_in_parts(client):
    whole = client.get(f"{API}/search", params={"like": IDS[0], "k": 11}).json()["hits"]
    hits, cursor = [], None
    while True:
        page = client.get(f"{API}/search", params={"like": IDS[0], "k": 4} | ({"cursor": cursor} if cursor else {}))
        hits += page.json()["hits"]
        cursor = page.json()["next"]
        if cursor is None:
            break
    assert hits == whole


def test_a_cursor_that_is_none_is_refused(client):
    for cursor in ("nix", "W10=", "WzEsMiwzXQ==", "é"):
        assert "cursor" in problem_of(client.get(f"{API}/search", params={"like": IDS[0], "cursor": cursor}), 400)


def test_an_answer_that_the_caller_has_is_not_sent_again(client):
    first = client.get(f"{API}/search", params={"like": IDS[0]})
    repeated = client.get(f"{API}/search", params={"like": IDS[0]}, headers={"If-None-Match": first.headers["etag"]})
    assert (repeated.status_code, repeated.content) == (304, b"")


def test_only_selected_tracks_are_searched(client):
    wanted = IDS[2:5]
    listed = client.get(f"{API}/search", params={"like": IDS[0], "within": ",".join(wanted)}).json()
    assert sorted(track_ids(listed)) == wanted
    selection = client.post(f"{API}/selections", json={"tracks": wanted}).json()["selection"]
    selected = client.get(f"{API}/search", params={"like": IDS[0], "within": f"selection:{selection}"}).json()
    assert selected["hits"] == listed["hits"]
    assert client.get(f"{API}/facets", params={"within": f"selection:{selection}"}).json()["tracks"] == 3
    both = {"like": IDS[0], "within": ",".join(wanted), "where": f"uri <> '/m/{wanted[0]}.wav'"}
    assert sorted(track_ids(client.get(f"{API}/search", params=both).json())) == wanted[1:]
    assert "select again" in problem_of(client.get(f"{API}/search", params={"within": "selection:nix"}), 404)


def test_facets_count_the_tracks_that_pass(client):
    facets = client.get(f"{API}/facets").json()
    assert facets["tracks"] == len(IDS)
    assert facets["tag"] == [{"value": "loud", "tracks": len(IDS)}]
    assert client.get(f"{API}/facets", params={"where": f"track_id < '{IDS[5]}'"}).json()["tracks"] == 5


def test_similar_tracks_are_those_of_a_search(client):
    similar = client.get(f"{API}/tracks/{IDS[4]}/similar", params={"k": 3}).json()
    assert similar["hits"] == client.get(f"{API}/search", params={"like": IDS[4], "k": 3}).json()["hits"]
    problem_of(client.get(f"{API}/tracks/nobody/similar"), 404)


def test_moments_of_a_track(client):
    typical = client.get(f"{API}/tracks/{IDS[0]}/segments").json()
    assert typical["track_id"] == IDS[0]
    assert all(0 <= moment["start_s"] < moment["end_s"] <= 10 for moment in typical["moments"])
    assert typical["moments"]
    near = client.get(f"{API}/tracks/{IDS[0]}/segments", params={"like": IDS[1]}).json()["moments"]
    best = client.get(f"{API}/search", params={"like": IDS[1], "within": IDS[0]}).json()["hits"][0]["best"]
    assert near[0] == best


def test_ids_of_manifests_may_contain_anything(tmp_path):
    names = ["album 1/07 \u00e9?.flac", "a/b/c", "../t", "x:0.5"]
    lake = create_lake(tmp_path / "lake", ids=names)
    with serving(lake) as client:
        for name in names:
            address = f"{API}/tracks/{quote(name, safe='')}"
            assert client.get(address).json()["track_id"] == name
            hits = client.get(f"{address}/similar").json()["hits"]
            assert sorted([name, *(hit["track_id"] for hit in hits)]) == sorted(names)
            made = client.get(f"{API}/playlist", params={"from": name, "to": next(iter({*names} - {name}))})
            assert made.json()["tracks"][0]["track_id"] == name


def test_everything_of_a_track(client):
    details = client.get(f"{API}/tracks/{IDS[0]}").json()
    assert details["hit"]["title"] == IDS[0].upper()
    assert details["report"]["answer"] == "search finds it"
    assert details["file"]["uri"] == f"/m/{IDS[0]}.wav"
    assert details["file"]["facts"]["codec"] == "flac"
    quarantined = client.get(f"{API}/tracks/y-quarantined").json()
    assert quarantined["hit"] is None
    assert "quarantine" in quarantined["report"]["answer"]
    problem_of(client.get(f"{API}/tracks/nobody"), 404)


def test_ids_of_a_selection_are_short_and_not_too_many(client, monkeypatch):
    long_id = "x" * 501
    assert "at most 500" in problem_of(client.post(f"{API}/selections", json={"tracks": [IDS[0], long_id]}), 422)
    assert "500 characters" in problem_of(client.post(f"{API}/search", json={"within": f"{IDS[0]},{long_id}"}), 400)
    assert client.post(f"{API}/search", json={"within": f"{IDS[0]},{long_id[1:]}"}).json()["hits"]
    monkeypatch.setattr(parameters, "MAX_WITHIN", 2)
    assert "at most 2, or use" in problem_of(client.get(f"{API}/search", params={"within": ",".join(IDS)}), 400)


def test_a_reader_keeps_so_many_ids_of_selections(client, monkeypatch):
    monkeypatch.setattr(reader, "_KEPT_IDS", 5)
    opened = client.app.state.readers.current()
    opened._selections.clear()
    first = opened.track_set(tuple(IDS[:3]))
    condition = opened.resolve(Filter("year IS NULL").among(first))
    assert opened.track_set(tuple(IDS[:3])) is first
    assert opened.track_set(tuple(IDS[3:5])).ids.to_pylist() == IDS[3:5]
    assert opened.track_set(tuple(IDS[:3])) is first
    opened.track_set(tuple(IDS[5:6]))
    assert opened.track_set(tuple(IDS[:3])) is not first
    assert condition not in opened._conditions.values()  # it held the first set
