"""Rows of files that are missing, damaged or changed: search keeps them, and every count says so."""

import json

import lance
import pyarrow.parquet as pq
import pytest

from schemas import clock
from tests.cli import run_here, run_json
from tests.flows.catalogue import run_in_process, write_sound
from workers.encoders.fake import SPEC

TABLE = f"embeddings__fake__{SPEC.embedding_version}.lance"


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A lake of ten lines of a manifest; the first file is listed twice."""
    run_in_process([], monkeypatch)
    names = [f"{number}.wav" for number in range(9)]
    for number, name in enumerate(names):
        write_sound(tmp_path / "music" / name, number)
    lines = [f"{name},id-{position}" for position, name in enumerate([names[0], *names])]
    (tmp_path / "music" / "list.csv").write_text("\n".join(["uri,track_id", *lines]) + "\n")
    run_json(tmp_path / "lake", "index", tmp_path / "music" / "list.csv")
    return tmp_path


def counts(report: dict) -> tuple[int, ...]:
    return tuple(report[name] for name in ("expected", "embedded", "quarantined", "pending", "stale", "searchable"))


def refresh(home, *options, code=0):
    return counts(run_json(home / "lake", "refresh", *options, code=code)["encoders"][0])


def status(home):
    (encoder,) = run_json(home / "lake", "status")["encoders"]
    rows = lance.dataset(str(home / "lake" / TABLE)).count_rows()
    assert encoder["searchable"] == rows
    return counts(encoder)


def stale_hits(home):
    hits = run_json(home / "lake", "search", "--where", "track_id != ''", "-k", 20)
    return {hit["track_id"] for hit in hits if hit["stale_since"]}, len(hits)


def test_a_missing_file_stays_in_search_under_its_name(home):
    assert refresh(home) == (10, 10, 0, 0, 0, 10)
    (home / "music" / "3.wav").unlink()
    assert refresh(home) == (10, 9, 1, 0, 1, 10)
    assert status(home) == (10, 9, 1, 0, 1, 10)
    assert stale_hits(home) == ({"id-4"}, 10)
    shown = run_here("--lake", home / "lake", "--encoder", "fake", "search", "--where", "track_id = 'id-4'").stdout
    assert f"stale since {clock.now():%Y-%m-%d}" in shown
    write_sound(home / "music" / "3.wav", 3)
    assert refresh(home) == (10, 10, 0, 0, 0, 10)
    assert stale_hits(home) == (set(), 10)


def test_a_recommendation_says_that_it_is_stale(home):
    (home / "music" / "3.wav").unlink()
    refresh(home)
    (home / "history.txt").write_text("id-1\n")
    typed = ("recommend", "--history", home / "history.txt")
    rows = run_json(home / "lake", *typed)["recommended"]
    assert [row["track_id"] for row in rows if row["stale_since"]] == ["id-4"]
    shown = run_here("--lake", home / "lake", "--encoder", "fake", *typed).stdout
    assert shown.count(f"{clock.now():%Y-%m-%d}") == 1
    run_json(home / "lake", *typed, "--out", home / "all.parquet")
    written = pq.read_table(home / "all.parquet").to_pylist()
    assert [row["track_id"] for row in written if row["stale_since"]] == ["id-4"]
    assert len(written) == len(rows) == 8
    write_sound(home / "music" / "3.wav", 3)
    refresh(home)
    assert "stale" not in run_here("--lake", home / "lake", "--encoder", "fake", *typed).stdout


def test_an_export_of_a_release_is_the_same_after_a_file_was_lost(home):
    """So it does not say which rows are stale: docs/export.md."""
    run_json(home / "lake", "export", home / "before", "--release", 1)
    (home / "music" / "3.wav").unlink()
    refresh(home)
    run_json(home / "lake", "export", home / "after", "--release", 1)
    parts = [pq.read_table(home / name / "part-00000.parquet") for name in ("before", "after")]
    assert parts[0].equals(parts[1])
    assert parts[0].num_rows == 10
    assert "stale_since" not in parts[0].column_names


def test_an_accepted_loss_leaves_search_at_once(home):
    (home / "music" / "0.wav").unlink()  # two tracks
    assert refresh(home, "--accept-loss", home / "music" / "list.csv") == (10, 8, 2, 0, 0, 8)
    assert status(home) == (10, 8, 2, 0, 0, 8)
    assert stale_hits(home) == (set(), 8)
    assert refresh(home) == (10, 8, 2, 0, 0, 8)


def test_readers_of_the_live_release_lose_what_was_accepted_and_nothing_else(home):
    """Without --encoder a search reads the live release; the check of its coverage must not keep lost tracks."""

    def read():
        output = run_here("--lake", home / "lake", "--json", "search", "--where", "track_id != ''", "-k", 20).stdout
        return {hit["track_id"] for hit in json.loads(output)}

    (home / "music" / "0.wav").unlink()  # two tracks
    refresh(home)
    assert len(read()) == 10
    refresh(home, "--accept-loss", home / "music" / "list.csv")
    assert read() == {f"id-{number}" for number in range(2, 10)}
    live = run_json(home / "lake", "releases")[-1]
    assert (live["live"], live["tracks"]) == (True, 8)
    assert live["gate"][0]["reason"] == "8 of the 8 tracks of live; 8 in all; 2 more are lost, which was accepted"
    exported = json.loads(run_here("--lake", home / "lake", "--json", "export", home / "out").stdout)
    assert exported["tracks"] == 8


def test_a_damaged_file_keeps_its_earlier_row_until_the_loss_is_accepted(home):
    (home / "music" / "5.wav").write_bytes(b"RIFF" + bytes(5000))
    assert refresh(home) == (10, 9, 1, 0, 1, 10)
    assert stale_hits(home) == ({"id-6"}, 10)
    assert refresh(home, "--accept-loss", home / "music" / "list.csv") == (10, 9, 1, 0, 0, 9)


def test_after_some_days_doctor_names_the_rows_and_the_command(home):
    (home / "music" / "3.wav").unlink()
    refresh(home)
    assert run_json(home / "lake", "doctor") == []
    (finding,) = run_json(home / "lake", "doctor", code=1, TONELAKE_STALE_DAYS="0")
    assert (finding["check"], finding["count"]) == ("stale", 1)
    run = finding["run"].split()
    assert run == ["tonelake", "refresh", "--accept-loss", str(home / "music" / "list.csv")]
    run_json(home / "lake", *run[1:])
    assert run_json(home / "lake", "doctor", TONELAKE_STALE_DAYS="0") == []


def test_it_is_stale_under_every_encoder_of_the_lake(home):
    run_json(home / "lake", "index", home / "music" / "list.csv", "--max-windows", 1)
    (home / "music" / "3.wav").unlink()
    report = run_json(home / "lake", "refresh")
    assert [counts(encoder) for encoder in report["encoders"]] == [(10, 9, 1, 0, 1, 10)] * 2
    assert refresh(home, "--accept-loss", home / "music" / "list.csv") == (10, 9, 1, 0, 0, 9)
    assert {encoder["stale"] for encoder in run_json(home / "lake", "status")["encoders"]} == {0}


def test_a_changed_file_is_stale_until_it_is_embedded_again(home):
    write_sound(home / "music" / "3.wav", 100)
    assert refresh(home) == (10, 10, 0, 0, 0, 10)
    assert stale_hits(home) == (set(), 10)
