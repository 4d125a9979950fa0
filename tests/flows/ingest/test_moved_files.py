"""A track keeps its id wherever its file goes, and nobody else gets it."""

import os

import pytest

from flows.console.progress import Watch
from flows.ingest.index import index_catalogue
from flows.ingest.report import IndexRequest
from schemas.settings import Settings
from tests.flows.catalogue import Catalogue, changes, here, write_sound


@pytest.fixture
def made(tmp_path, monkeypatch):
    made = Catalogue(tmp_path / "music", str(tmp_path / "lake"))
    here(made.decoded, monkeypatch)
    return made


def test_a_new_file_in_the_place_of_a_moved_one_is_a_track_of_its_own(made):
    made.index()
    mine = made.rows()["a.wav"]["track_id"]
    (made.music / "a.wav").rename(made.music / "z.wav")
    made.refresh()
    write_sound(made.music / "a.wav", 50)
    assert changes(made.refresh()) == {"new": 1}
    ids = {name: row["track_id"] for name, row in made.rows().items()}
    assert ids["z.wav"] == mine != ids["a.wav"]
    (made.music / "z.wav").rename(made.music / "y.wav")
    (made.music / "a.wav").rename(made.music / "x.wav")
    assert changes(made.refresh()) == {"moved": 2, "hashed": 2}
    write_sound(made.music / "a.wav", 51)
    assert changes(made.refresh()) == {"new": 1}
    again = {name: row["track_id"] for name, row in made.rows().items()}
    assert (again["y.wav"], again["x.wav"]) == (mine, ids["a.wav"])
    assert len(set(again.values())) == 12
    assert changes(made.refresh()) == {}
    assert made.index().new == 0


def test_a_file_that_moves_into_a_place_that_another_left_is_found(made):
    made.index()
    before = made.rows()["c.wav"]
    (made.music / "a.wav").rename(made.music / "z.wav")
    made.refresh()
    (made.music / "c.wav").rename(made.music / "a.wav")
    assert changes(made.refresh()) == {"moved": 1, "hashed": 1}
    assert made.decoded == []
    assert made.rows()["a.wav"]["track_id"] == before["track_id"]
    write_sound(made.music / "c.wav", 52)
    assert changes(made.refresh()) == {"new": 1}
    assert changes(made.refresh()) == {}


def test_an_index_of_one_folder_leaves_what_moved_to_another(made, tmp_path):
    other = tmp_path / "other"
    write_sound(other / "other.wav", 70)
    made.index()
    made.index(other)
    (made.music / "a.wav").rename(other / "z.wav")
    made.refresh()
    mine = made.rows()["z.wav"]
    write_sound(made.music / "a.wav", 50)
    report = made.index()
    assert (report.new, report.expected, len(made.rows())) == (1, 10, 12)
    assert made.rows()["z.wav"] == mine != made.rows()["a.wav"]
    assert changes(made.refresh()) == {}


def test_a_retry_knows_its_tracks_by_their_own_ids(made):
    made.index()
    (made.music / "a.wav").rename(made.music / "z.wav")
    made.refresh()
    write_sound(made.music / "a.wav", 50)
    made.refresh()
    before = {name: row["track_id"] for name, row in made.rows().items()}
    (made.music / "z.wav").write_bytes(b"no sound at all")
    assert made.refresh()["encoders"][0]["quarantined"] == 1
    write_sound(made.music / "z.wav", 51)
    (report,) = index_catalogue(IndexRequest(retry=True), Settings(lake=made.uri, encoder="fake"), Watch())
    assert (report.expected, report.embedded) == (1, 1)
    assert {name: row["track_id"] for name, row in made.rows().items()} == before
    assert changes(made.refresh()) == {}


def test_an_id_of_a_manifest_in_a_new_place_is_a_move(made):
    made.index(made.manifest())
    (made.music / "a.wav").rename(made.music / "z.wav")
    os.utime(made.music / "z.wav", (1, 1))
    made.manifest(places={"a": "z.wav"})
    assert changes(made.refresh()) == {"moved": 1, "hashed": 1}
    assert made.decoded == []
    assert made.rows()["z.wav"]["track_id"] == "id-a"
