"""Exports carry the rights, and hold what may be played on a day and in a territory, if asked."""

import json

import lance
import pandas as pd
import pyarrow.parquet as pq
import pytest

from tests.cli import error_line, run_here
from tests.flows.catalogue import run_in_process, write_sound
from tests.flows.rights import AVAILABLE, RIGHTS, TODAY, make_rights_lake, set_clock

EVERYTHING = set(RIGHTS)
REGISTRY = "registry/part-00000.parquet"


@pytest.fixture
def lake(tmp_path, monkeypatch):
    run_in_process([], monkeypatch)
    monkeypatch.chdir(tmp_path)  # a takedown writes its receipt there
    set_clock(monkeypatch, TODAY)
    return make_rights_lake(tmp_path)


def ids_of(folder, pattern="part-*.parquet"):
    return {track for part in folder.glob(pattern) for track in pq.read_table(part)["track_id"].to_pylist()}


def apply_increment(ids, folder):
    """Do with ids what a reader does: drop the removed ones, add those of the increment."""
    return ids - ids_of(folder, "removed.parquet") | ids_of(folder)


def hashes(manifest):
    return {file["name"]: file["sha256"] for file in manifest["files"]}


def test_an_export_holds_all_dates_and_carries_the_rights(lake, tmp_path):
    manifest = lake.run("export", tmp_path / "out")
    assert ids_of(tmp_path / "out") == EVERYTHING
    assert (manifest["available_on"], manifest["territory"]) == (None, None)
    rows = {
        row["track_id"]: row for row in pq.read_table(tmp_path / "out" / "registry" / "part-00000.parquet").to_pylist()
    }
    assert rows.keys() == EVERYTHING
    assert rows["dach"]["territories"] == ["DE", "AT", "CH"]
    assert rows["ended"]["available_to"] == "2021-12-31"
    assert rows["always"]["uri"] == str(lake.manifest.with_name("always.wav"))
    assert rows["always"]["territories"] is None


@pytest.mark.parametrize("form", ["npy", "lance", "faiss"])
def test_every_format_has_the_registry_beside_it(lake, tmp_path, form):
    lake.run("export", tmp_path / "out", "--format", form, "--on", "2027-01-01")
    expected = {"always", "later", "german"}
    assert ids_of(tmp_path / "out", REGISTRY) == expected
    if form == "lance":
        assert set(lance.dataset(tmp_path / "out" / "tracks.lance").to_table()["track_id"].to_pylist()) == expected
    else:
        assert ids_of(tmp_path / "out", "tracks.parquet") == expected


def test_one_release_exports_the_same_files(lake, tmp_path):
    before = lake.run("export", tmp_path / "before")
    assert not lake.run("export", tmp_path / "before")["done"]
    lake.write_manifest(always={"available_to": "2020-01-01"})
    lake.run("refresh")
    after = lake.run("export", tmp_path / "after")
    changed = {name for name, sha256 in hashes(after).items() if hashes(before)[name] != sha256}
    assert changed == {REGISTRY}
    assert lake.run("export", tmp_path / "before")["done"]  # the rights that it carries are not those of today


def test_a_filter_stands_in_the_manifest_and_is_fixed(lake, tmp_path, monkeypatch):
    out = tmp_path / "out"
    manifest = lake.run("export", out, "--on", TODAY, "--territory", "at")
    assert ids_of(out) == AVAILABLE - {"german"}
    assert (manifest["available_on"], manifest["territory"], manifest["tracks"]) == (TODAY, "AT", 4)
    assert json.loads((out / "manifest.json").read_text())["available_on"] == TODAY
    set_clock(monkeypatch, "2027-06-01")
    repeated = run_here("--lake", lake.uri, "export", out, "--on", TODAY, "--territory", "AT").stdout
    assert repeated.startswith("nothing to do: ")
    assert repeated.endswith("4 tracks available on 2026-06-15 in AT\n")
    line = error_line("--lake", lake.uri, "export", out)
    assert f"holds another export (release 1 as parquet available on {TODAY} in AT)" in line
    (row,) = lake.run("exports")
    assert (row["available_on"], row["territory"]) == (TODAY, "AT")


def test_a_territory_alone_keeps_all_dates(lake, tmp_path):
    lake.run("export", tmp_path / "out", "--territory", "AT")
    assert ids_of(tmp_path / "out") == EVERYTHING - {"german"}


def test_an_increment_lists_what_left_the_filtered_set_and_has_what_entered(lake, tmp_path):
    lake.run("export", tmp_path / "base", "--on", TODAY)
    base = ids_of(tmp_path / "base")
    write_sound(lake.manifest.with_name("always.wav"), 99)  # so that there is another release
    lake.write_manifest(german={"available_to": "2026-01-01"}, unclear={"available_from": ""})
    lake.run("refresh")
    assert lake.run("status")["live"]["release"] == 2
    for number, day in enumerate([TODAY, "2026-06-16", "2027-01-01"]):
        full, increment = tmp_path / f"full-{number}", tmp_path / f"increment-{number}"
        lake.run("export", full, "--on", day)
        lake.run("export", increment, "--on", day, "--since", 1)
        assert apply_increment(base, increment) == ids_of(full)
        assert ids_of(increment, REGISTRY) == ids_of(full)
        removed = set(pd.read_parquet(increment / "removed.parquet")["track_id"])
        assert removed == EVERYTHING - ids_of(full)
    assert "unclear" in ids_of(tmp_path / "full-0")
    assert "german" in set(pd.read_parquet(tmp_path / "increment-0" / "removed.parquet")["track_id"])


def test_a_takedown_rebuilds_a_filtered_export_by_its_filter(lake, tmp_path, monkeypatch):
    lake.run("export", tmp_path / "out", "--on", TODAY)
    set_clock(monkeypatch, "2027-06-01")
    lake.run("takedown", "german", "--reason", "test", "--yes")
    assert ids_of(tmp_path / "out") == AVAILABLE - {"german"}
    assert ids_of(tmp_path / "out", REGISTRY) == AVAILABLE - {"german"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--on", "1.1.2027"), "--on '1.1.2027' is no date: give one such as 2026-12-24"),
        (("--territory", "DEU"), "--territory 'DEU' is no territory: give a code of two letters, such as DE"),
    ],
)
def test_wrong_options_are_one_line(tmp_path, options, message):
    assert error_line("--lake", tmp_path, "export", tmp_path / "out", *options) == f"tonelake: {message}"
