"""Tracks by short ids, paths and titles, in every command that takes a track; what tables show of an id."""

import json
from unittest.mock import patch

import pytest

from lake.catalogue.encoders import register_encoder
from lake.catalogue.runs import RunRecord
from lake.catalogue.track_names import short_ids
from lake.catalogue.tracks import register_tracks
from lake.embeddings.committer import Committer
from lake.releases.publish import draft, publish
from lake.releases.releases import take_snapshot
from lake.storage.lake import Lake
from lake.storage.lease import Lease
from schemas.settings import S3Settings, Settings
from schemas.tables import embeddings_table
from tests.cli import error_line, run, run_here
from tests.lake.rows import SPEC, embedded_row, make_listing, outcome_batch

FIRST, TWIN, OTHER = "deadbeef" + "1" * 24, "deadbeef" + "2" * 24, "0123456789abcdef" * 2
MANIFEST_ID = "song-1"
TITLES = {FIRST: "Same", TWIN: "Same", OTHER: "Naïve “Blues”", MANIFEST_ID: "Solo"}
LOUDNESS = {FIRST: 0.6, TWIN: 0.7, OTHER: 0.9, MANIFEST_ID: 0.8}


@pytest.fixture
def lake(tmp_path):
    """A lake with a live release of four tracks; `/m/ID.wav` is the path of each."""
    lake, run_id = Lake.at(str(tmp_path / "lake"), S3Settings()), "20260101T000000-aaaaaa"
    with Lease(lake, embeddings_table(SPEC), run_id, print) as lease:
        register_tracks(lake, make_listing(list(TITLES)))
        with RunRecord(lake, run_id, "index", SPEC, {"sources": ["/m"]}) as record:
            register_encoder(lake, SPEC)
            committer = Committer(lake, SPEC, lease, run_id, Settings())
            tags = {
                name: [{"name": "soft", "score": 0.95}, {"name": "loud", "score": LOUDNESS[name]}] for name in TITLES
            }
            rows = [embedded_row(name, title=TITLES[name], tags=tags[name]) for name in TITLES]
            committer.add(outcome_batch(*rows))
            committer.flush()
            record.finish({})
    publish(lake, draft(None, take_snapshot(lake, SPEC), "run", "index"), print)
    return lake


def answer(lake, *arguments, **settings):
    return json.loads(run_here(*arguments, "--lake", lake.uri, "--json", **settings).stdout)


@pytest.mark.parametrize("name", [OTHER, OTHER[:8], OTHER[:20], f"/m/{OTHER}.wav", TITLES[OTHER]])
def test_search_and_tags_take_a_short_id_a_path_or_a_title(lake, name):
    assert answer(lake, "search", "--like", name) == answer(lake, "search", "--like", OTHER)
    assert OTHER not in [hit["track_id"] for hit in answer(lake, "search", "--like", name)]
    assert answer(lake, "tags", name) == answer(lake, "tags", OTHER)


def test_a_relative_path_is_one_of_the_working_folder(lake, monkeypatch):
    monkeypatch.chdir("/")
    assert answer(lake, "tags", f"m/{OTHER}.wav") == answer(lake, "tags", OTHER)


@pytest.mark.parametrize("command", [("search", "--like"), ("tags",)])
@pytest.mark.parametrize("name", ["deadbeef", "Same"])
def test_two_matches_are_listed(lake, command, name):
    message = error_line("--lake", lake.uri, *command, name)
    assert f"{name!r} means 2 tracks" in message
    assert FIRST in message
    assert TWIN in message


@pytest.mark.parametrize("name", ["0123456", "song", "naïve “blues”", "/m/nothing.wav", "caf\udce9.wav"])
def test_what_names_no_track_is_one_line(lake, name):
    message = error_line("--lake", lake.uri, "search", "--like", name)
    assert "no track is named" in message
    assert "8 digits" in message


@pytest.mark.parametrize("width", [60, 80])
def test_ids_can_be_copied_from_a_narrow_table(lake, width):
    """The table is drawn as on a terminal of this width."""
    with patch("flows.console.tables.PIPE_WIDTH", width):
        output = run_here("--lake", lake.uri, "search", "--tag", "loud").stdout
    for short in ("deadbeef1", "deadbeef2", "01234567", MANIFEST_ID):
        (line,) = [line for line in output.splitlines() if f" {short} " in line]
        assert len(line) <= width
    assert answer(lake, "tags", "deadbeef1") == answer(lake, "tags", FIRST)


def test_json_has_whole_ids(lake):
    assert {hit["track_id"] for hit in answer(lake, "search", "--tag", "loud")} == set(TITLES)


def test_a_short_id_is_no_other_id(lake):
    manifest_id = "deadbeef3"  # a manifest may name a track so
    register_tracks(lake, make_listing(["deadbeef3" + "0" * 23, manifest_id]))
    assert short_ids(lake, ["deadbeef3" + "0" * 23, FIRST]) == {
        "deadbeef3" + "0" * 23: "deadbeef30",
        FIRST: "deadbeef1",
    }


def test_a_history_in_a_text_file_names_tracks_in_any_way(lake, tmp_path):
    whole, typed = tmp_path / "whole.txt", tmp_path / "typed.txt"
    whole.write_text(f"{OTHER}\n{MANIFEST_ID}\nunknown\n")
    typed.write_text(f"{OTHER[:8]}\nSolo\nunknown\n")
    assert answer(lake, "recommend", "--history", typed) == answer(lake, "recommend", "--history", whole)
    typed.write_text("Same\n")
    assert "means 2 tracks" in error_line("--lake", lake.uri, "recommend", "--history", typed)


@pytest.mark.parametrize("name", [FIRST, "deadbeef1", f"/m/{FIRST}.wav"])
def test_a_takedown_takes_an_id_its_beginning_or_a_path(lake, tmp_path, name):
    result = run_here("--lake", lake.uri, "--json", "takedown", name, "--yes", "--receipt", tmp_path / "receipt.json")
    assert json.loads(result.stdout)["tracks"] == [FIRST]
    assert (FIRST in result.stderr) == (name != FIRST)
    left = {hit["track_id"] for hit in answer(lake, "search", "--tag", "loud")}
    assert left == set(TITLES) - {FIRST}
    repeated = run_here(
        "--lake", lake.uri, "--json", "takedown", FIRST[:9], "--yes", "--receipt", tmp_path / "repeated.json"
    )
    assert json.loads(repeated.stdout)["tracks"] == [FIRST]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("deadbeef", "means 2 tracks"),
        ("Solo", "has no track Solo; nothing was removed"),
        ("song-", "has no track song-; nothing was removed"),
        ("0123456", "has no track 0123456; nothing was removed"),
    ],
)
def test_a_takedown_removes_nothing_in_doubt(lake, tmp_path, name, message):
    receipt = tmp_path / "receipt.json"
    assert message in error_line("--lake", lake.uri, "takedown", MANIFEST_ID, name, "--yes", "--receipt", receipt)
    assert not receipt.exists()
    assert {hit["track_id"] for hit in answer(lake, "search", "--tag", "loud")} == set(TITLES)


def test_a_tag_alone_orders_by_its_score_and_shows_it(lake):
    hits = answer(lake, "search", "--tag", "loud")
    assert [(hit["track_id"], hit["score"]) for hit in hits] == [
        (OTHER, 0.9),
        (MANIFEST_ID, 0.8),
        (TWIN, 0.7),
        (FIRST, 0.6),
    ]
    assert [hit["rank"] for hit in hits] == [1, 2, 3, 4]
    assert answer(lake, "search", "--tag", "loud", "-k", "2") == hits[:2]
    quiet = answer(lake, "search", "--tag", "loud", "--where", "title <> 'Same'")
    assert [hit["track_id"] for hit in quiet] == [OTHER, MANIFEST_ID]
    lines = run_here("--lake", lake.uri, "search", "--tag", "loud").stdout.splitlines()
    assert any("0.900" in line and "01234567" in line for line in lines)
    assert "--where" in error_line("--lake", lake.uri, "search", "--tag", "loud", "--where", "colour = 'red'")


def test_a_missing_vocabulary_stops_before_a_model_is_loaded(lake):
    with patch("flows.search.custom_tags.text_tower", side_effect=AssertionError("a model was loaded")):
        message = error_line("--lake", lake.uri, "tags", OTHER, "--vocabulary", "nope.txt")
        assert "cannot read the vocabulary nope.txt" in message
        message = error_line("--lake", lake.uri, "tags", "--vocabulary", "nope.txt", "--out", "tags.parquet")
        assert "cannot read the vocabulary nope.txt" in message


@pytest.mark.parametrize(
    "settings", [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}]
)
def test_what_an_encoding_lacks_is_replaced(lake, settings):
    table = run("--lake", lake.uri, "search", "--tag", "loud", **settings).stdout
    assert "Na?ve ?Blues?" in table
    assert table.isascii()
    document = run("--lake", lake.uri, "search", "--tag", "loud", "--json", **settings).stdout
    assert document.isascii()
    assert json.loads(document)[0]["title"] == TITLES[OTHER]
