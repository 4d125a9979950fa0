"""What a person allows a manifest is remembered on the machine, by lake and source, and never in a lake."""

import shutil

import pytest

from tests.audio_files import SECONDS, sndfile
from tests.cli import error_line, run_here, run_json


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """A manifest in lists/ that names a file in music/; the settings of a user of their own."""
    monkeypatch.setenv("TONELAKE_CONFIG", str(tmp_path / "config"))
    for name in ("lists", "music"):
        (tmp_path / name).mkdir()
    (tmp_path / "music" / "a.wav").write_bytes(sndfile(SECONDS[:, :100_000]))
    (tmp_path / "lists" / "m.csv").write_text("uri\n../music/a.wav\n")
    return tmp_path


def allowed(folders, lake="lake"):
    """Return what `sources list` shows: source -> locations."""
    return {row["source"]: row["allowed_outside"] for row in run_json(folders / lake, "sources", "list")}


def test_what_an_index_was_allowed_is_remembered_for_a_refresh(folders):
    lake, manifest, music = folders / "lake", folders / "lists" / "m.csv", folders / "music"
    command = ("--lake", lake, "--encoder", "fake")
    assert f"`tonelake sources allow {manifest} {music}`" in error_line(*command, "index", manifest)
    result = run_here(*command, "index", manifest, TONELAKE_ALLOW_OUTSIDE=f"/nowhere,{music}")
    assert f"remembered on this machine: {manifest} may name files in {music}; " in result.stderr
    assert allowed(folders) == {str(manifest): [str(music)]}
    assert run_json(lake, "refresh")["listed"] == 1
    assert run_json(lake, "index", manifest)["embedded"] == 1
    table = run_here(*command, "sources", "list").stdout
    assert "allowed_outside" in table
    assert "/music" in table  # folded, where the path is long


def test_a_lake_opened_elsewhere_grants_nothing(folders, tmp_path, monkeypatch):
    lake, manifest, music = folders / "lake", folders / "lists" / "m.csv", folders / "music"
    run_here("--lake", lake, "sources", "add", manifest, TONELAKE_ALLOW_OUTSIDE=str(music))
    shutil.copytree(lake, folders / "copy")
    copied = ("--lake", folders / "copy", "--encoder", "fake", "refresh")
    assert "outside the manifest's folder" in error_line(*copied)
    assert allowed(folders, "copy") == {str(manifest): []}
    assert str(music) not in str([path.read_bytes() for path in lake.rglob("*") if path.is_file()])
    monkeypatch.setenv("TONELAKE_CONFIG", str(tmp_path / "another machine"))
    assert "outside the manifest's folder" in error_line("--lake", lake, "--encoder", "fake", "refresh")


def test_another_manifest_of_the_lake_is_not_allowed_the_same(folders):
    lake, other = folders / "lake", folders / "lists" / "other.csv"
    other.write_text("uri\n../music/a.wav\n")
    run_here("--lake", lake, "sources", "allow", folders / "lists" / "m.csv", folders / "music")
    assert "outside the manifest's folder" in run_here("--lake", lake, "check", other, code=2).stdout
    assert run_json(lake, "check", folders / "lists" / "m.csv") == []


def test_a_person_allows_and_revokes(folders):
    lake, manifest = folders / "lake", folders / "lists" / "m.csv"
    command = ("--lake", lake, "sources")
    assert str(folders / "music") in run_here(*command, "allow", manifest, folders / "music").stdout
    assert run_json(lake, "sources", "allow", manifest, "s3://bucket/audio")[0]["allowed_outside"] == [
        str(folders / "music"),
        "s3://bucket/audio",
    ]
    run_here(*command, "add", manifest)
    revoked = run_here(*command, "revoke", manifest).stdout
    assert revoked == f"{manifest} may not name files in {folders}/music, s3://bucket/audio any more\n"
    assert allowed(folders) == {str(manifest): []}
    assert "outside the manifest's folder" in error_line("--lake", lake, "--encoder", "fake", "refresh")
    assert (
        run_here(*command, "revoke", manifest).stdout == f"{manifest} had no such right in this lake on this machine\n"
    )
    assert "'music' is not a location" in error_line(*command, "allow", manifest, "music")


def test_a_source_that_is_removed_keeps_no_right(folders):
    lake, manifest = folders / "lake", folders / "lists" / "m.csv"
    run_here("--lake", lake, "sources", "add", manifest, TONELAKE_ALLOW_OUTSIDE=str(folders / "music"))
    run_here("--lake", lake, "sources", "remove", manifest)
    assert allowed(folders) == {}


def test_settings_that_cannot_be_written_do_not_stop_a_run(folders, monkeypatch):
    blocked = folders / "blocked"
    blocked.write_text("a file, where a folder should be")
    monkeypatch.setenv("TONELAKE_CONFIG", str(blocked))
    arguments = ("--lake", folders / "lake", "sources", "add", folders / "lists" / "m.csv")
    result = run_here(*arguments, TONELAKE_ALLOW_OUTSIDE=str(folders / "music"))
    assert "set TONELAKE_ALLOW_OUTSIDE where refresh runs" in result.stderr


def test_a_broken_file_of_settings_is_named(folders):
    lake, manifest = folders / "lake", folders / "lists" / "m.csv"
    run_here("--lake", lake, "sources", "allow", manifest, folders / "music")
    (file,) = (folders / "config").rglob("*.json")
    file.write_text("{")
    line = error_line("--lake", lake, "--encoder", "fake", "index", manifest)
    assert f"cannot read what you allowed in {file}" in line
