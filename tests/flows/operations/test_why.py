"""`tonelake why`: one answer to "where is it?", whatever became of a file."""

import json
import shutil

import pytest

from tests.cli import error_line, run_here, run_json
from tests.flows.catalogue import run_in_process, write_sound


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A lake of a folder with four sounds, one damaged file, a text and a hidden file."""
    run_in_process([], monkeypatch)
    music = tmp_path / "music"
    for number, name in enumerate("abcd"):
        write_sound(music / f"{name}.wav", number)
    (music / "damaged.wav").write_bytes(b"RIFF" + bytes(5000))
    (music / "notes.txt").write_text("no music")
    shutil.copy(music / "a.wav", music / ".hidden.wav")
    run_json(tmp_path / "lake", "index", music)
    return tmp_path


def why(home, name):
    return run_json(home / "lake", "why", name)


def test_an_embedded_track_is_found_by_path_and_by_id(home):
    report = why(home, home / "music" / "a.wav")
    assert (report["answer"], report["advice"], report["releases"]) == ("search finds it", None, [1])
    assert [state["state"] for state in report["versions"]] == ["embedded"]
    assert why(home, report["track_id"][:10])["uri"] == report["uri"]
    shown = run_here("--lake", home / "lake", "why", report["track_id"]).stdout.splitlines()
    assert shown[0] == f"{home}/music/a.wav: search finds it"
    assert "in the releases 1" in shown


@pytest.mark.parametrize(
    ("name", "answer", "advice"),
    [
        ("damaged.wav", "it is in quarantine: unrecognised", "replace the file"),
        ("notes.txt", "it is skipped: .txt is not audio", "convert or rename it"),
        (".hidden.wav", "it is skipped: its name begins with a dot", "rename it"),
        ("never.wav", "there is no such file", None),
        ("../elsewhere.wav", "no source of the lake lists it", "give a track"),
    ],
)
def test_a_file_that_search_does_not_find(home, name, answer, advice):
    report = why(home, home / "music" / name)
    assert report["answer"].startswith(answer)
    assert (report["advice"] or "").startswith(advice or "")
    assert bool(report["advice"]) == bool(advice)


def test_a_new_file_waits_for_a_refresh(home):
    write_sound(home / "music" / "new.wav", 9)
    report = why(home, home / "music" / "new.wav")
    assert report["answer"].endswith("has not listed it yet")
    assert report["advice"] == "tonelake refresh"
    write_sound(home / "other" / "new.wav", 10)
    assert why(home, home / "other" / "new.wav")["advice"] == f"tonelake index {home}/other/new.wav"


def test_a_file_that_vanished_or_whose_source_was_removed(home):
    (home / "music" / "b.wav").unlink()
    run_json(home / "lake", "refresh", TONELAKE_LOST_SHARE="0.9")
    report = why(home, home / "music" / "b.wav")
    assert report["answer"] == f"{home}/music does not list it any more"
    assert [(state["state"], state["reason"]) for state in report["versions"]] == [
        ("out of search", "its vector is kept")
    ]
    assert report["releases"] == [1]
    run_json(home / "lake", "sources", "remove", home / "music")
    report = why(home, home / "music" / "a.wav")
    assert report["answer"] == f"its source {home}/music was removed"
    assert report["advice"].startswith(f"tonelake sources add {home}/music")


def test_a_stale_row_and_a_missing_file_of_a_manifest(home):
    lines = ["uri,track_id,title,available_from", "a.wav,id-a,Alpha,", "b.wav,id-b,Beta,2999-01-01"]
    (home / "music" / "list.csv").write_text("\n".join(lines) + "\n")
    lake = home / "other-lake"
    run_json(lake, "index", home / "music" / "list.csv")
    dates = "from 2999-01-01 to ever"
    assert run_json(lake, "why", "Beta")["answer"] == f"it is embedded, and not available today ({dates})"
    (home / "music" / "a.wav").unlink()
    run_json(lake, "refresh", TONELAKE_LOST_SHARE="0.9")
    report = run_json(lake, "why", "Alpha")
    missing = f"its file {home}/music/a.wav is missing"
    assert report["answer"].startswith(f"{missing}; search finds its earlier row, stale since")
    assert report["advice"].endswith(f"tonelake refresh --accept-loss {home}/music/list.csv")
    assert report["versions"][0]["stale_since"]


def test_a_track_that_was_taken_down(home):
    track_id = why(home, home / "music" / "a.wav")["track_id"]
    run_here(
        *("--lake", home / "lake", "takedown", track_id, "--yes", "--receipt", home / "receipt.json"),
        TONELAKE_ENCODER="fake",
    )
    assert json.loads((home / "receipt.json").read_text())["tracks"] == [track_id]
    for name in (track_id, home / "music" / "a.wav"):
        assert why(home, name)["answer"].startswith("it was taken down")


def test_exports_that_have_the_track_are_named(home):
    run_json(home / "lake", "export", home / "out")
    assert why(home, home / "music" / "a.wav")["exports"] == [str(home / "out")]
    assert why(home, home / "music" / "damaged.wav")["exports"] == []


def test_two_tracks_of_one_title_are_listed(home):
    lines = ["uri,track_id,title", "a.wav,id-a,Same", "b.wav,id-b,Same"]
    (home / "music" / "list.csv").write_text("\n".join(lines) + "\n")
    run_json(home / "second", "index", home / "music" / "list.csv")
    assert "'Same' means 2 tracks: id-a (Same), id-b (Same)" in error_line("--lake", home / "second", "why", "Same")
