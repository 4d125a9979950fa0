"""Playlist continuation on small synthetic files in the Million Playlist Dataset's format, and on plays."""

import json

import numpy as np
import pytest

from flows.recommend.playlist_continuation import evaluate_continuation
from lake.sources.million_playlist import TrackLookup, list_slices, read_slice
from schemas.errors import UserError
from schemas.recommend import PlaylistsRequest
from schemas.settings import Settings
from tests.cli import error_line, run
from tests.flows.plays import IDS, VECTORS, listeners, write, write_plays

URIS = [f"spotify:track:{number:022d}" for number in range(len(IDS))]
OTHER = "spotify:track:7vqa3sDmtEaVJ2gcvxtRID"


def track(position, uri, **more):
    """One track in the form of the official files."""
    return {
        "pos": position,
        "artist_name": "Degiheugi",
        "track_uri": uri,
        "artist_uri": "spotify:artist:3V2paBXEoZIAhfZRJmo2jL",
        "track_name": "Finalement",
        "album_uri": "spotify:album:2KrRMJ9z7Xjoz1Az4O6UML",
        "duration_ms": 166264,
        "album_name": "Dancing Chords and Fireflies",
    } | more


def write_slice(folder, first, playlists):
    """Write a slice; `playlists` are pairs of a name and the uris of its tracks."""
    documents = [
        {
            "name": name,
            "collaborative": "false",
            "pid": first + number,
            "modified_at": 1493424000,
            "num_albums": 7,
            "num_tracks": len(uris),
            "num_followers": 1,
            "num_edits": 2,
            "duration_ms": 11656470,
            "num_artists": 37,
            "tracks": [track(position, uri) for position, uri in enumerate(uris)],
        }
        for number, (name, uris) in enumerate(playlists)
    ]
    last = first + len(playlists) - 1
    info = {"generated_on": "2017-12-03 08:41:42.057563", "slice": f"{first}-{last}", "version": "v1"}
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"mpd.slice.{first}-{last}.json"
    path.write_text(json.dumps({"info": info, "playlists": documents}))
    return path


def taste_lists(count):
    """Make a name and a list of uris from the plays of each listener."""
    lists = {}
    for user, name in listeners(count):
        lists.setdefault(user, []).append(URIS[IDS.index(name)])
    return [(f"mix {user}", uris) for user, uris in lists.items()]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A lake whose tracks are known by id alone, by a column `spotify_id`, by a link, or by their ISRC."""
    extra = {IDS[row]: {"spotify_id": uri.rsplit(":")[-1]} for row, uri in enumerate(URIS) if row % 2}
    extra |= {
        IDS[row]: {"mood": "x", "link": f"https://open.spotify.com/track/{uri.rsplit(':')[-1]}?si=1"}
        for row, uri in enumerate(URIS)
        if not row % 2
    }
    return write(tmp_path_factory.mktemp("home") / "lake", extra=extra, isrc={"t007": "DE-AB1-23-00007"})


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Three slices of the official form with 40 playlists; two tracks of each are not in the lake."""
    folder, lists = tmp_path_factory.mktemp("mpd"), taste_lists(40)
    lists = [(name, [uris[0], OTHER, *uris[1:], OTHER]) for name, uris in lists]
    for first in (0, 16, 32):
        write_slice(folder / "data", first, lists[first : first + 16])
    return folder


def test_slices_come_in_the_order_of_the_data_set(tmp_path):
    for first in (1000, 0, 999000, 2000):
        write_slice(tmp_path, first, [("a", [OTHER])])
    assert [path.name.split(".")[2].split("-")[0] for path in list_slices(tmp_path)] == ["0", "1000", "2000", "999000"]


def test_tracks_are_found_by_uri_link_id_or_isrc(home, tmp_path):
    path = write_slice(tmp_path, 0, [("a", [URIS[0], URIS[1], OTHER]), ("b", [OTHER, URIS[299]])])
    document = json.loads(path.read_text())
    document["playlists"][1]["tracks"][0]["isrc"] = "deab12300007"
    document["playlists"][1]["tracks"].reverse()  # `pos` gives the order
    path.write_text(json.dumps(document))
    playlists = read_slice(path)
    assert playlists.titles == ["a", "b"]
    assert playlists.playlist.tolist() == [0, 0, 0, 1, 1]
    assert TrackLookup(home).track_ids(playlists).to_pylist() == ["t000", "t001", None, "t007", "t299"]
    lake = write(tmp_path / "lake", ids=[OTHER], vectors=np.eye(1, 32))
    assert TrackLookup(lake).track_ids(playlists).to_pylist() == [None, None, OTHER, OTHER, None]


@pytest.mark.parametrize(
    "text",
    [
        *("{", "[]", '{"playlists": [{"name": "a", "tracks": [{"pos": 0}]}]}', '{"playlists": [{"tracks": [7]}]}'),
        '{"playlists": [{"tracks": [{"pos": 0, "track_uri": 7}]}]}',
    ],
)
def test_another_format_is_refused_in_a_line(tmp_path, text):
    path = tmp_path / "mpd.slice.0-999.json"
    path.write_text(text)
    with pytest.raises(UserError, match=r"cannot read .*mpd\.slice\.0-999\.json: .*Million Playlist Dataset"):
        read_slice(path)


def rows_of(report, seeds, method):
    return {row.metric: row for row in report.figures if (row.seeds, row.method) == (seeds, method)}


def test_playlists_of_the_official_files(home, data):
    report = evaluate_continuation(PlaylistsRequest(data=str(data)), Settings(lake=home.uri))
    listed = sum(len(uris) + 2 for _, uris in taste_lists(40))
    assert report.to_json()["coverage"] == {
        "playlists": 40,
        "playlists_with_two_tracks": 40,
        "tracks": listed,
        "tracks_matched": listed - 80,
        "judged": 8,
        "counted_for_popularity": 32,
        "candidates": 300,
    }
    assert set(rows_of(report, "title", "title in words")) == {"R-precision", "nDCG", "clicks"}
    assert not rows_of(report, "title", "interests")
    for row in report.figures:
        assert row.low <= row.value <= row.high
    first = rows_of(report, "first 5", "interests")
    gains = [row for row in report.gains if row.seeds == "first 5" and row.metric == "nDCG"]
    assert {row.over for row in gains} == {"popularity", "mean vector"}
    for row in gains:
        assert row.gain == pytest.approx(first["nDCG"].value - rows_of(report, "first 5", row.over)["nDCG"].value)


def test_plays_are_evaluated_too_and_the_run_is_recorded(home, tmp_path):
    plays = write_plays(tmp_path / "plays.csv", listeners(150))
    report = evaluate_continuation(PlaylistsRequest(interactions=plays), Settings(lake=home.uri))
    repeated = evaluate_continuation(PlaylistsRequest(interactions=plays), Settings(lake=home.uri))
    assert report.figures == repeated.figures
    assert {row.seeds for row in report.figures} == {"first 1", "first 5", "first 10", "all but title"}
    gains = {(row.over, row.metric): row for row in report.gains if row.seeds == "all but title"}
    assert gains["popularity", "nDCG"].low > 0.1  # these vectors separate the kinds
    rows = home.table("runs").to_table(filter=f"run_id = '{report.run_id}'").to_pylist()
    assert [(row["command"], row["status"]) for row in rows] == [("playlists", "done")]
    assert rows[0]["counts"] == json.dumps(report.to_json())
    assert json.loads(rows[0]["parameters"])["interactions"] == plays


def test_shuffled_vectors_are_no_better_than_chance(home, tmp_path):
    """The figures come from the vectors: with the vectors of other tracks they fall to chance."""
    plays = write_plays(tmp_path / "plays.csv", listeners(150))
    permutation = np.random.default_rng(0).permutation(len(IDS))
    other = write(tmp_path / "lake", vectors=VECTORS[permutation])
    request = PlaylistsRequest(interactions=plays)
    right, wrong = (
        rows_of(evaluate_continuation(request, Settings(lake=lake.uri)), "first 10", "interests")
        for lake in (home, other)
    )
    assert wrong["nDCG"].high < right["nDCG"].low
    assert wrong["clicks"].low > right["clicks"].high


def test_the_command(home, data):
    printed = run("--lake", home.uri, "playlists", "--data", data)
    assert "8 of 40 playlists judged, 32 counted for popularity; 300 tracks to choose from" in printed.stdout
    assert "paired differences" in printed.stdout
    assert "--data FOLDER" in error_line("--lake", home.uri, "playlists")


def test_too_few_playlists_are_refused(home, tmp_path):
    few = write_plays(tmp_path / "few.csv", listeners(4))
    with pytest.raises(UserError, match="five are needed"):
        evaluate_continuation(PlaylistsRequest(interactions=few), Settings(lake=home.uri))
    (tmp_path / "none.csv").write_text("user_id,track_id\n")
    with pytest.raises(UserError, match="0 playlists have two tracks"):
        evaluate_continuation(PlaylistsRequest(interactions=str(tmp_path / "none.csv")), Settings(lake=home.uri))
    with pytest.raises(UserError, match="give the folder"):
        evaluate_continuation(PlaylistsRequest(data=str(tmp_path)), Settings(lake=home.uri))
    status = home.table("runs").to_table(columns=["status"], filter="command = 'playlists'")["status"].to_pylist()
    assert "running" not in status
