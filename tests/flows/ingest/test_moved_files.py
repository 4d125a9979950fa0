"""A track keeps its id when its file moves, and no other track gets that id."""

import os

import pytest

from flows.console.progress import ProgressReporter
from flows.ingest.index import index_catalogue
from flows.ingest.report import IndexRequest
from schemas.settings import Settings
from tests.flows.catalogue import ChangingCatalogue, nonzero_changes, run_in_process, write_sound


@pytest.fixture
def catalogue(tmp_path, monkeypatch):
    catalogue = ChangingCatalogue(tmp_path / "music", str(tmp_path / "lake"))
    run_in_process(catalogue.decoded, monkeypatch)
    return catalogue


def test_a_new_file_at_the_path_of_a_moved_one_is_a_new_track(catalogue):
    catalogue.index()
    moved_id = catalogue.rows()["a.wav"]["track_id"]
    (catalogue.music / "a.wav").rename(catalogue.music / "z.wav")
    catalogue.refresh()
    write_sound(catalogue.music / "a.wav", 50)
    assert nonzero_changes(catalogue.refresh()) == {"new": 1}
    ids = {name: row["track_id"] for name, row in catalogue.rows().items()}
    assert ids["z.wav"] == moved_id != ids["a.wav"]
    (catalogue.music / "z.wav").rename(catalogue.music / "y.wav")
    (catalogue.music / "a.wav").rename(catalogue.music / "x.wav")
    assert nonzero_changes(catalogue.refresh()) == {"moved": 2, "hashed": 2}
    write_sound(catalogue.music / "a.wav", 51)
    assert nonzero_changes(catalogue.refresh()) == {"new": 1}
    ids_after = {name: row["track_id"] for name, row in catalogue.rows().items()}
    assert (ids_after["y.wav"], ids_after["x.wav"]) == (moved_id, ids["a.wav"])
    assert len(set(ids_after.values())) == 12
    assert nonzero_changes(catalogue.refresh()) == {}
    assert catalogue.index().new == 0


def test_a_file_that_moves_to_the_old_path_of_another_keeps_its_id(catalogue):
    catalogue.index()
    before = catalogue.rows()["c.wav"]
    (catalogue.music / "a.wav").rename(catalogue.music / "z.wav")
    catalogue.refresh()
    (catalogue.music / "c.wav").rename(catalogue.music / "a.wav")
    assert nonzero_changes(catalogue.refresh()) == {"moved": 1, "hashed": 1}
    assert catalogue.decoded == []
    assert catalogue.rows()["a.wav"]["track_id"] == before["track_id"]
    write_sound(catalogue.music / "c.wav", 52)
    assert nonzero_changes(catalogue.refresh()) == {"new": 1}
    assert nonzero_changes(catalogue.refresh()) == {}


def test_indexing_one_folder_keeps_tracks_that_moved_to_another(catalogue, tmp_path):
    other = tmp_path / "other"
    write_sound(other / "other.wav", 70)
    catalogue.index()
    catalogue.index(other)
    (catalogue.music / "a.wav").rename(other / "z.wav")
    catalogue.refresh()
    moved = catalogue.rows()["z.wav"]
    write_sound(catalogue.music / "a.wav", 50)
    report = catalogue.index()
    assert (report.new, report.coverage.expected, len(catalogue.rows())) == (1, 10, 12)
    assert catalogue.rows()["z.wav"] == moved != catalogue.rows()["a.wav"]
    assert nonzero_changes(catalogue.refresh()) == {}


def test_a_retry_keeps_permanent_ids(catalogue):
    catalogue.index()
    (catalogue.music / "a.wav").rename(catalogue.music / "z.wav")
    catalogue.refresh()
    write_sound(catalogue.music / "a.wav", 50)
    catalogue.refresh()
    before = {name: row["track_id"] for name, row in catalogue.rows().items()}
    (catalogue.music / "z.wav").write_bytes(b"no sound at all")
    assert catalogue.refresh().encoders[0].coverage.quarantined == 1
    write_sound(catalogue.music / "z.wav", 51)
    (report,) = index_catalogue(
        IndexRequest(retry=True), Settings(lake=catalogue.uri, encoder="fake"), ProgressReporter()
    )
    assert (report.coverage.expected, report.coverage.embedded) == (1, 1)
    assert {name: row["track_id"] for name, row in catalogue.rows().items()} == before
    assert nonzero_changes(catalogue.refresh()) == {}


def test_a_manifest_id_with_a_new_path_is_a_move(catalogue):
    catalogue.index(catalogue.manifest())
    (catalogue.music / "a.wav").rename(catalogue.music / "z.wav")
    os.utime(catalogue.music / "z.wav", (1, 1))
    catalogue.manifest(files={"a": "z.wav"})
    assert nonzero_changes(catalogue.refresh()) == {"moved": 1, "hashed": 1}
    assert catalogue.decoded == []
    assert catalogue.rows()["z.wav"]["track_id"] == "id-a"
