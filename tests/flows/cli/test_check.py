"""`tonelake check` names every odd thing in a manifest, and what stops a run stops it before anything is taken in."""

import json
import re
from pathlib import Path

import pytest
import s3fs

from lake.sources import findings as findings_module
from lake.sources.manifest import FileInfoCache
from lake.storage.lake import Lake
from schemas.manifests import FINDING_KINDS
from schemas.settings import S3Settings
from tests.audio_files import SECONDS, sndfile
from tests.cli import error_line, run_here, run_json
from tests.odd_manifests import (
    CSV_FINDINGS,
    JSON_FINDINGS,
    PARQUET_FINDINGS,
    json_line,
    positions,
    write_odd_csv,
    write_odd_jsonl,
    write_odd_parquet,
)

ODD = {
    "csv": (write_odd_csv, CSV_FINDINGS),
    "jsonl": (write_odd_jsonl, JSON_FINDINGS),
    "parquet": (write_odd_parquet, PARQUET_FINDINGS),
}
# Manifests that cannot be read by their columns at all: the bytes, and what the line of error says.
UNREADABLE = {
    "semicolons": (b"uri;title\na.wav;A\n", "line 1, 'uri;title': the columns are separated by semicolons"),
    "tabs": (b"title\tURI\nA\ta.wav\n", "the columns are separated by tabs: save the file with commas"),
    "utf16": ("uri\na.wav\n".encode("utf-16"), "line 1: the file is UTF-16; save it as UTF-8"),
    "header": ("uri,K\xfcnstler\na.wav,A\n".encode("latin-1"), "not UTF-8; perhaps 'uri,Künstler': save"),
    "no uri": (b"\nfile,title\na.wav,A\n", "line 2, 'file, title': no column is called uri: it names the files"),
    "two titles": (b"uri,title,title\na.wav,A,B\n", "line 1, title: two columns have this name: rename one"),
    "no bytes": (b"", "line 1: the file is empty: its first line names the columns"),
    "a lone quote": (b'uri,title\na.wav,"A" B\n', "line 2: cannot be read (',' expected after '\"')"),
}  # fmt: skip


@pytest.mark.parametrize("suffix", ODD)
def test_every_odd_thing_has_its_line_and_column(tmp_path, suffix):
    write, expected = ODD[suffix]
    manifest = write(tmp_path / "music")
    findings = run_json(tmp_path / "lake", "check", manifest, code=2)
    assert positions(findings) == expected
    assert [finding["stops"] for finding in findings] == [FINDING_KINDS[kind] for _, _, kind in expected]
    assert {finding["source"] for finding in findings} == {str(manifest)}
    assert not (tmp_path / "lake").exists()


def test_the_odd_manifests_have_every_kind_of_finding_on_a_line():
    of_whole_files = {"separator", "no_uri_column", "no_lines"}
    assert {kind for _, _, kind in CSV_FINDINGS + JSON_FINDINGS} == FINDING_KINDS.keys() - of_whole_files


def test_people_read_lines_and_one_line_of_error(tmp_path):
    manifest = write_odd_csv(tmp_path / "music")
    result = run_here("--lake", tmp_path / "lake", "check", manifest, code=2)
    lines = result.stdout.splitlines()
    assert "warns  line 5, year 'MCMXC': no year; the value is kept in extra" in lines
    assert "warns  line 6, year '1990s': the year 1990; the value is kept in extra" in lines
    assert (
        "warns  line 8, available_from '01.02.2020': no date such as 2020-02-01; kept as text, and gives no right"
        in lines
    )
    assert (
        "stops  line 23, title 'Caf\N{REPLACEMENT CHARACTER}': not UTF-8; perhaps 'Café': save the file as UTF-8"
        in lines
    )
    assert lines[-1] == f"{manifest}: 12 tracks can be taken in, 11 warnings"
    assert (
        result.stderr
        == f"tonelake: {manifest}: 8 findings would stop a run: correct the manifest, and check it again\n"
    )


@pytest.mark.parametrize("name", UNREADABLE)
def test_a_manifest_that_is_read_by_no_column(tmp_path, name):
    content, message = UNREADABLE[name]
    (tmp_path / "a.wav").write_bytes(b"x")
    manifest = tmp_path / "m.csv"
    manifest.write_bytes(content)
    assert message in run_here("--lake", tmp_path / "lake", "check", manifest, code=2).stdout
    for command in (("index",), ("index", "--dry-run"), ("sources", "add")):
        assert message in error_line("--lake", tmp_path / "lake", "--encoder", "fake", *command, manifest)
    assert not (tmp_path / "lake").exists()


def test_exit_codes(tmp_path):
    (tmp_path / "a.wav").write_bytes(b"x")
    (tmp_path / "notes.txt").write_bytes(b"x")
    manifest = tmp_path / "m.csv"
    check = ("--lake", tmp_path / "lake", "check")
    manifest.write_text("uri,title\na.wav,A\n")
    assert run_here(*check, manifest).stdout == f"{manifest}: 1 tracks, all is well\n"
    manifest.write_text("uri,title\na.wav,A\nb.wav,B\n")
    assert "warns  line 3, uri" in run_here(*check, manifest, code=1).stdout
    manifest.write_text("uri,title\n")
    assert "warns  no line names a file" in run_here(*check, manifest, code=1).stdout
    manifest.unlink()
    assert run_here(*check, tmp_path).stdout == f"{tmp_path}: 1 tracks, 1 other files are skipped\n"
    assert error_line(*check, manifest) == f"tonelake: no such manifest: {manifest}"


def test_several_sources_are_checked_at_once(tmp_path):
    """An id that two of them give to two files would stop a run of both."""
    music = tmp_path / "music"
    music.mkdir()
    for name in ("a.wav", "b.wav"):
        (music / name).write_bytes(b"x")
    first, second, lost = music / "1.csv", music / "2.csv", music / "3.csv"
    first.write_text("uri,track_id\na.wav,id-1\n")
    second.write_text("uri,track_id,year\na.wav,id-1,1990\nb.wav,id-2,MCMXC\n")
    check = ("--lake", tmp_path / "lake", "check")
    lines = run_here(*check, first, second, music, first, code=1).stdout.splitlines()
    assert [line.split(": ")[-1] for line in lines] == [
        "1 tracks, all is well",
        "no year; the value is kept in extra",
        "2 tracks can be taken in, 1 warnings",
        "2 tracks, 2 other files are skipped",
    ]
    second.write_text("uri,track_id\nb.wav,id-1\n")
    findings = run_json(tmp_path / "lake", "check", first, second, code=2)
    assert positions(findings) == [(None, "track_id", "repeated_track")]
    assert findings[0]["source"] == str(second)
    result = run_here(*check, first, lost, second, code=2)
    assert f"{music}/b.wav has it, and another file in {first}: make ids unique" in result.stdout
    assert result.stderr.startswith(f"tonelake: no such manifest: {lost}; {second}: a finding would stop a run")
    assert error_line("--json", *check, lost, music / "4.csv").count("no such manifest") == 2
    run = error_line("--lake", tmp_path / "lake", "--encoder", "fake", "index", first, second)
    assert "have one track_id" in run


def test_a_run_stops_before_anything_is_taken_in_and_counts_what_else_stops_it(tmp_path):
    manifest = write_odd_csv(tmp_path / "music")
    lake = tmp_path / "lake"
    line = error_line("--lake", lake, "--encoder", "fake", "index", manifest)
    assert line == (
        f"tonelake: {manifest}: line 16, track_id '1': line 2 has it too: make ids unique. "
        f"`tonelake check {manifest}` lists this and 7 more that would stop a run"
    )
    assert not lake.exists()


def test_a_broken_manifest_is_no_loss_that_a_refresh_can_accept(tmp_path):
    (tmp_path / "a.wav").write_bytes(b"x")
    manifest = tmp_path / "m.csv"
    manifest.write_text("uri\na.wav\n")
    refresh = ("--lake", tmp_path / "lake", "--encoder", "fake", "refresh", "--accept-loss", manifest)
    run_here("--lake", tmp_path / "lake", "sources", "add", manifest)
    manifest.write_text("uri;title\na.wav;A\n")
    assert "separated by semicolons" in error_line(*refresh)


def test_an_index_keeps_what_its_columns_cannot_hold_and_warns(tmp_path):
    music, lake = tmp_path / "music", tmp_path / "lake"
    music.mkdir()
    for name in ("a.wav", "b.wav"):
        (music / name).write_bytes(sndfile(SECONDS[:, :100_000] * (0.5 if name == "a.wav" else 1)))
    manifest = music / "m.csv"
    manifest.write_text("uri,track_id,Year,mood\na.wav,1,MCMXC,calm\nb.wav,2,1990-05-01,\ngone.wav,3,c. 1990,\n")
    dry = run_here("--lake", lake, "--encoder", "fake", "--json", "index", "--dry-run", manifest)
    report = json.loads(dry.stdout)
    assert (report["pending"], report["would_embed"], report["missing"]) == (3, 2, 1)
    warnings = [
        f"{manifest}: line 1, Year: read as the column year",
        f"{manifest}: line 2, year 'MCMXC': no year; the value is kept in extra "
        f"(and 1 more: `tonelake check {manifest}` lists them)",
        f"{manifest}: line 4, uri '{music}/gone.wav': no such file: it is quarantined as unreadable",
    ]
    assert dry.stderr.splitlines()[:3] == warnings
    assert run_here("--lake", lake, "sources", "add", manifest).stderr.splitlines() == warnings
    indexed = run_here("--lake", lake, "--encoder", "fake", "--json", "index", manifest)
    assert indexed.stderr.splitlines()[:3] == warnings
    assert json.loads(indexed.stdout)["reasons"] == {"unreadable": 1}
    refresh = run_here("--lake", lake, "--encoder", "fake", "--json", "refresh", "--dry-run")
    assert refresh.stderr.splitlines()[:3] == warnings
    rows = Lake.at(str(lake), S3Settings()).table("tracks").to_table(columns=["track_id", "year", "extra"]).to_pylist()
    kept = {row["track_id"]: (row["year"], json.loads(row["extra"])) for row in rows}
    assert kept == {
        "1": (None, {"mood": "calm", "year": "MCMXC"}),
        "2": (1990, {"year": "1990-05-01"}),
        "3": (1990, {"year": "c. 1990"}),
    }


def test_a_check_lists_folders_and_asks_for_no_file(tmp_path, monkeypatch):
    lines = [json_line(uri=f"{number % 3}/{number}.wav") for number in range(300)]
    for folder in ("0", "1", "2"):
        (tmp_path / folder).mkdir()
    for number in range(300):
        (tmp_path / f"{number % 3}" / f"{number}.wav").write_bytes(b"")
    (tmp_path / "m.jsonl").write_text("".join(lines))
    listed = []
    list_folder = FileInfoCache._list
    monkeypatch.setattr(
        FileInfoCache, "_list", lambda cache, folder: listed.append(folder) or list_folder(cache, folder)
    )
    monkeypatch.setattr(FileInfoCache, "_fetch_info", None)
    assert run_json(tmp_path / "lake", "check", tmp_path / "m.jsonl") == []
    assert sorted(listed) == [f"{tmp_path}/{folder}" for folder in "012"]


def test_many_findings_of_a_kind_are_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(findings_module, "MAX_KEPT", 100)
    (tmp_path / "m.jsonl").write_text("".join(json_line(uri=f"{number}.wav") for number in range(130)))
    check = ("--lake", tmp_path / "lake", "check", tmp_path / "m.jsonl")
    lines = run_here(*check, code=1).stdout.splitlines()
    assert len(lines) == 22
    assert lines[20] == "110 more of the kind missing_file"
    findings = run_json(tmp_path / "lake", "check", tmp_path / "m.jsonl", code=1)
    assert len(findings) == 101
    assert (findings[-1]["line"], findings[-1]["understood"]) == (None, "30 more findings of this kind")


def test_a_finding_shows_no_secret(tmp_path):
    manifest = tmp_path / "m.jsonl"
    long = "x" * 100 + "hunter2pass" * 3
    manifest.write_text(json_line(uri="s3://me:hunter2pass@bucket/a.wav") + json_line(uri="a.wav", year=long))
    for output in ("--json", "-v"):
        result = run_here(output, "--lake", tmp_path / "lake", "check", manifest, code=2, MY_SECRET="hunter2pass")
        assert "contains credentials" in result.stdout
        assert "***@bucket" in result.stdout
        assert "hunter2" not in result.stdout + result.stderr


def test_a_manifest_in_a_store(s3_bucket, tmp_path):
    files = s3fs.S3FileSystem(**S3Settings().fsspec_options())
    files.pipe({f"{s3_bucket}/m.csv": b"uri,year\na.wav,MCMXC\nb.wav,1990\n", f"{s3_bucket}/a.wav": b"x"})
    findings = run_json(tmp_path / "lake", "check", f"{s3_bucket}/m.csv", code=1)
    assert positions(findings) == [(2, "year", "year"), (3, "uri", "missing_file")]


def test_the_page_explains_every_kind():
    page = (Path(__file__).parents[3] / "docs/manifest.md").read_text()
    rows = dict(re.findall(r"^\| `(\w+)` \| (stops|warns) \|", page, re.MULTILINE))
    assert rows == {kind: "stops" if stops else "warns" for kind, stops in FINDING_KINDS.items()}
