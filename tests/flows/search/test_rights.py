"""Readers show what may be played: today, on another day, in a territory."""

import pyarrow.parquet as pq
import pytest

from tests.cli import error_line, run_here
from tests.flows.catalogue import run_in_process
from tests.flows.rights import AVAILABLE, RIGHTS, TODAY, make_rights_lake, set_clock

EVERYTHING = set(RIGHTS)


@pytest.fixture
def lake(tmp_path, monkeypatch):
    run_in_process([], monkeypatch)
    set_clock(monkeypatch, TODAY)
    return make_rights_lake(tmp_path)


def test_a_search_finds_what_may_be_played(lake):
    assert lake.search_ids() == AVAILABLE
    assert lake.search_ids("sound", "--any-date") == EVERYTHING
    assert lake.search_ids("sound", "--on", "2026-06-16") == AVAILABLE - {"last-day"}
    assert lake.search_ids("sound", "--on", "2026-06-14") == AVAILABLE | {"day-before"}
    assert lake.search_ids("sound", "--on", "2020-05-05") == {
        "always",
        "last-day",
        "day-before",
        "german",
        "dach",
        "ended",
    }
    assert lake.search_ids("sound", "--on", "2027-01-01") == {"always", "later", "german"}
    assert lake.search_ids("sound", "--territory", "fr") == AVAILABLE - {"german", "dach"}
    assert lake.search_ids("sound", "--territory", "AT") == AVAILABLE - {"german"}
    assert lake.search_ids("sound", "--territory", "DE", "--on", "2027-01-01") == {"always", "later", "german"}
    assert lake.search_ids("sound", "--territory", "AT", "--any-date") == EVERYTHING - {"german"}


def test_every_kind_of_search_obeys(lake):
    assert lake.search_ids("--like", "always") == AVAILABLE - {"always"}
    assert lake.search_ids("--like", "ended") == AVAILABLE  # what it sounds like may be asked
    assert lake.search_ids("--audio", lake.manifest.with_name("ended.wav")) == AVAILABLE
    assert lake.search_ids("--where", "title != ''") == AVAILABLE
    tagged = lake.search_ids("--tag", "loud", "--any-date")
    assert lake.search_ids("--tag", "loud") == tagged & AVAILABLE
    assert tagged & AVAILABLE
    assert tagged - AVAILABLE


def test_k_hits_come_where_k_exist(lake):
    hits = lake.run("search", "a sound", "-k", 5)
    assert [hit["rank"] for hit in hits] == [1, 2, 3, 4, 5]


def test_a_revoked_right_counts_at_once_in_every_release(lake):
    first = lake.run("status")["live"]["release"]
    lake.write_manifest(always={"available_to": "2026-06-14"})
    lake.run("refresh")
    assert lake.search_ids() == AVAILABLE - {"always"}
    assert lake.search_ids("sound", "--release", first) == AVAILABLE - {"always"}
    assert len(lake.run("releases")) == 1
    lake.write_manifest(ended={"available_to": "2026-06-15"}, german={"territories": "FR"})
    lake.run("refresh")
    # The manifest is silent about the end of `always` now: a line without a value changes nothing.
    assert lake.search_ids() == (AVAILABLE | {"ended"}) - {"always"}
    assert lake.search_ids("sound", "--territory", "FR") == {"ended", "last-day", "this-year", "german"}


def test_an_empty_cell_lifts_a_limit(lake):
    lake.write_manifest(
        ended={"available_to": ""},
        unclear={"available_from": None},
        german={"territories": []},
        always={"territories": ""},
    )
    lake.run("refresh")
    assert lake.search_ids("sound", "--territory", "JP") == {
        "always",
        "ended",
        "last-day",
        "this-year",
        "unclear",
        "german",
    }
    counts = lake.run("refresh")
    assert counts["described"] == 0


def test_recommendations_obey(lake, tmp_path):
    history = tmp_path / "history.csv"
    history.write_text("track_id,user_id\nalways,u\nended,u\n")
    listener = tmp_path / "history.txt"
    listener.write_text("always\nended\n")

    def recommended(*options):
        out = tmp_path / "out.parquet"
        lake.run("recommend", "--history", history, "--out", out, "-k", 50, *options)
        rows = lake.run("recommend", "--history", listener, "-k", 50, *options)["recommended"]
        ids = {row["track_id"] for row in rows}
        assert ids == set(pq.read_table(out)["track_id"].to_pylist())
        return ids

    assert recommended() == AVAILABLE - {"always"}
    assert recommended("--on", "2027-01-01", "--territory", "DE") == {"later", "german"}
    assert recommended("--any-date") == EVERYTHING - {"always", "ended"}


def test_playlists_are_continued_with_what_may_be_played(lake, tmp_path):
    plays = tmp_path / "plays.csv"
    names = sorted(AVAILABLE)
    rows = [f"u{user},{name},{when}" for user in range(6) for when, name in enumerate([*names, "ended", "later"])]
    plays.write_text("user_id,track_id,timestamp\n" + "\n".join(rows))

    def coverage(*options):
        return lake.run("playlists", "--interactions", plays, *options)["coverage"]

    assert coverage()["candidates"] == len(AVAILABLE)
    assert coverage("--any-date")["candidates"] == len(EVERYTHING)
    assert coverage("--territory", "JP")["candidates"] == len(AVAILABLE - {"german", "dach"})


def test_status_and_why_say_what_is_not_available(lake):
    assert lake.run("status")["not_available"] == len(EVERYTHING - AVAILABLE)
    shown = run_here("--lake", lake.uri, "--encoder", "fake", "status").stdout
    assert "4 tracks are not available today: tonelake why TRACK shows the dates of one" in shown
    assert "tonelake_not_available_tracks 4.0" in run_here("--lake", lake.uri, "status", "--prometheus").stdout
    answers = {name: lake.run("why", name)["answer"] for name in ("always", "ended", "german", "unclear", "this-year")}
    assert answers == {
        "always": "search finds it",
        "ended": "it is embedded, and not available today (from 2020-01-01 to 2021-12-31)",
        "german": "search finds it, and with --territory only there (from ever to ever, in DE)",
        "unclear": "it is embedded, and not available today (from 01.02.2020 to ever)",
        "this-year": "search finds it",
    }


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--on", "soon"), "--on 'soon' is no date: give one such as 2026-12-24"),
        (("--on", "2026-02-30"), "--on '2026-02-30' is no date: give one such as 2026-12-24"),
        (("--territory", "Germany"), "--territory 'Germany' is no territory: give a code of two letters, such as DE"),
        (("--territory", "UK"), "--territory 'UK' is no territory: the United Kingdom is GB"),
        (("--on", "2026-12-24", "--any-date"), "--on asks for one day and --any-date for all: give one of them"),
    ],
)
@pytest.mark.parametrize("command", [("search", "sound"), ("recommend", "--history", "plays.txt"), ("playlists",)])
def test_wrong_options_are_one_line(tmp_path, command, options, message):
    assert error_line("--lake", tmp_path, *command, *options).endswith(f"tonelake: {message}")
