"""The command line: its JSON, its exit codes, and one line for any error."""

import csv
import json
import os
import shutil
import time

import pytest

from tests.cli import error_line, run, run_here, run_json

COUNTS = {"expected", "embedded", "quarantined", "pending", "reasons"}


@pytest.fixture(scope="module")
def indexed(rendered, tmp_path_factory):
    """A lake of six tracks and one broken file with the fake encoder, its folder, and the report."""
    folder = tmp_path_factory.mktemp("cli")
    music, lake = folder / "music", folder / "lake"
    shutil.copytree(rendered, music)
    (music / "broken.mp3").write_bytes(b"not audio at all" * 100)
    (music / "notes.txt").write_text("not audio")
    (music / "manifest.csv").unlink()
    return lake, music, run_json(lake, "index", music)


def test_index_reports_its_counts(indexed):
    _, _, report = indexed
    assert COUNTS | {"run_id", "encoder", "embedding_version", "new"} <= report.keys()
    assert {"audio_seconds", "wall_seconds", "realtime_factor"} <= report.keys()
    cores = round(report["core_seconds"] / report["wall_seconds"])
    assert 1 <= cores <= os.cpu_count()
    rounding = 0.05 * (cores + 1)  # both are rounded to a tenth of a second
    assert report["core_seconds"] == pytest.approx(report["wall_seconds"] * cores, abs=rounding)
    assert (report["gpu_seconds"], report["shared_with"], report["cost"]) == (0, ["fake"], None)
    assert report["bytes_written"] > 1000
    assert (report["expected"], report["embedded"], report["quarantined"], report["pending"]) == (7, 6, 1, 0)
    assert report["reasons"] == {"unrecognised": 1}
    assert report["new"] == 7
    assert report["skipped"] == 1
    assert report["audio_seconds"] == pytest.approx(120, abs=2)


def test_a_second_run_has_nothing_to_do(indexed):
    lake, music, _ = indexed
    started = time.monotonic()
    report = run_json(lake, "index", music)
    assert (report["embedded"], report["embedded_now"], report["new"], report["pending"]) == (6, 0, 0, 0)
    assert time.monotonic() - started < 25


def test_status_counts_the_lake(indexed):
    lake, _, report = indexed
    status = run_json(lake, "status")
    (encoder,) = status["encoders"]
    assert {name: encoder[name] for name in COUNTS} == {name: report[name] for name in COUNTS}
    sizes = encoder["tables"][f"embeddings__fake__{report['embedding_version']}"]
    assert sizes["rows"] == 6
    assert sizes["bytes"] > 0


def test_search_in_words_by_track_by_file_and_filtered(indexed):
    lake, music, _ = indexed
    hits = run_json(lake, "search", "banjo", "-k", "3")
    assert [row["rank"] for row in hits] == [1, 2, 3]
    metadata = {"title", "artist", "album", "year", "genres", "duration_s", "isrc", "extra", "copies", "best"} | {
        "found_by"
    }
    metadata |= {"bpm", "musical_key", "mode", "loudness_lufs", "available_from", "available_to", "territories"}
    assert set(hits[0]) == {"rank", "track_id", "uri", "score", "tags", "stale_since"} | metadata
    like = run_json(lake, "search", "--like", hits[0]["track_id"])
    assert len(like) == 5
    assert hits[0]["track_id"] not in [row["track_id"] for row in like]
    by_file = run_json(lake, "search", "--audio", hits[0]["uri"], "-k", "1")
    assert by_file[0]["track_id"] == hits[0]["track_id"]
    assert by_file[0]["score"] >= 1 - 1e-5
    titled = run_json(lake, "search", "banjo", "--where", "title IS NOT NULL")
    assert titled
    assert all(row["title"] for row in titled)
    assert str(music) in hits[0]["uri"]


def test_a_misspelt_query_gets_a_remark_beside_its_answers(indexed):
    lake, _, _ = indexed
    search = ("--lake", lake, "--encoder", "fake", "--json", "search")
    answer = run_here(*search, "slow pianno")
    assert len(json.loads(answer.stdout)) == 6
    assert "'pianno' (did you mean piano" in answer.stderr
    assert run_here(*search, "slow piano").stderr == ""


def test_a_hit_carries_the_manifests_metadata(rendered, tmp_path):
    run_json(tmp_path, "index", rendered / "manifest.csv")
    with (rendered / "manifest.csv").open(newline="") as file:
        line = next(csv.DictReader(file))
    (hit,) = run_json(tmp_path, "search", "--where", f"title = '{line['title']}'")
    assert [hit["album"], str(hit["year"]), ";".join(hit["genres"])] == [line["album"], line["year"], line["genres"]]


def test_tags_of_a_track_and_of_its_file_agree(indexed):
    lake, _, _ = indexed
    row = run_json(lake, "search", "banjo", "-k", "1")[0]
    of_track = run_json(lake, "tags", row["track_id"])
    assert of_track
    assert of_track == run_json(lake, "tags", row["uri"])
    assert run_json(lake, "search", "--tag", of_track[0]["name"])


def test_quarantine_gives_the_reason_and_a_repaired_file_leaves_it(indexed, tmp_path):
    lake, music, _ = indexed
    (row,) = run_json(lake, "quarantine")
    assert set(row) == {"track_id", "uri", "reason", "message", "attempts"}
    assert (row["reason"], row["attempts"]) == ("unrecognised", 1)
    assert json.loads(run_here("--lake", lake, "--json", "quarantine").stdout) == [row]
    assert run_json(lake, "quarantine", encoder="musicnn") == []
    (row,) = run_json(lake, "quarantine", "--retry")
    assert row["attempts"] == 2
    copy, broken = tmp_path / "lake", music / "broken.mp3"
    shutil.copytree(lake, copy)
    backup = tmp_path / "broken.mp3"
    broken.rename(backup)
    try:
        shutil.copy(next(music.glob("*.flac")), broken)
        report = run_json(copy, "index", music)
    finally:
        backup.replace(broken)
    assert (report["embedded"], report["quarantined"], report["new"]) == (7, 0, 0)
    assert run_json(copy, "quarantine") == []


def test_a_retry_embeds_a_repaired_file_and_makes_no_new_version(rendered, tmp_path):
    music, lake = tmp_path / "music", tmp_path / "lake"
    music.mkdir()
    (music / "a.flac").write_bytes(b"not audio" * 100)
    shutil.copy(next(rendered.glob("*.wav")), music)
    assert run_json(lake, "index", music, "--max-windows", "2")["quarantined"] == 1
    shutil.copy(next(rendered.glob("*.flac")), music / "a.flac")
    assert json.loads(run_here("--lake", lake, "--json", "quarantine", "--retry").stdout) == []
    (encoder,) = run_json(lake, "status")["encoders"]
    assert (encoder["expected"], encoder["embedded"], encoder["pending"]) == (2, 2, 0)


def test_dry_run_writes_nothing(indexed, tmp_path):
    lake, music, _ = indexed
    plan = run_json(tmp_path / "new", "index", music, "--dry-run")
    assert (plan["expected"], plan["pending"], plan["new"], plan["would_embed"]) == (7, 7, 7, 7)
    assert plan["estimated_audio_seconds"] > 0
    assert plan["estimated_seconds"] > 0
    assert not (tmp_path / "new").exists()
    assert run_json(lake, "index", music, "--dry-run")["would_embed"] == 0


def test_limit_and_windows(rendered, tmp_path):
    report = run_json(tmp_path, "index", rendered, "--limit", "2")
    assert (report["embedded"], report["pending"], report["unfinished"]) == (2, 4, 0)
    few = run_json(tmp_path, "index", rendered, "--limit", "2", "--max-windows", "2")
    assert few["embedding_version"] != report["embedding_version"]
    message = error_line("--lake", tmp_path, "--encoder", "fake", "search", "banjo")
    assert report["embedding_version"] in message
    assert few["embedding_version"] in message
    assert "--embedding-version" in message
    assert len(run_json(tmp_path, "search", "banjo", "--embedding-version", few["embedding_version"])) == 2


def test_encoders_are_listed():
    rows = json.loads(run("--json", "encoders").stdout)
    names = {row["name"]: row for row in rows}
    assert {"fake", "musicnn"} <= names.keys()
    assert {"sample_rate", "window", "dim", "licence", "text_tower"} <= names["musicnn"].keys()


def test_a_file_as_lake_and_a_source_without_audio(tmp_path, rendered):
    (tmp_path / "file").write_text("")
    (tmp_path / "empty").mkdir()
    assert "is a file" in error_line("--lake", tmp_path / "file", "--encoder", "fake", "index", rendered)
    assert "nothing to index" in error_line(
        "--lake", tmp_path / "new", "--encoder", "fake", "index", tmp_path / "empty"
    )
    assert not (tmp_path / "new").exists()


def test_titles_are_printed_without_markup(rendered, tmp_path):
    file = next(path for path in rendered.iterdir() if path.suffix == ".flac")
    (tmp_path / "m.csv").write_text(f"uri,title\n{file},Song [bold]Live[/] [1999]\n")
    allowed = {"TONELAKE_ALLOW_OUTSIDE": str(rendered)}
    assert run_json(tmp_path / "lake", "index", tmp_path / "m.csv", **allowed)["embedded"] == 1
    output = run("--lake", tmp_path / "lake", "--encoder", "fake", "search", "x [y]").stdout
    assert "Song [bold]Live[/] [1999]" in output


def test_a_missing_bucket_is_one_line(s3_bucket):
    assert s3_bucket.startswith("s3://")
    assert "no bucket for s3://nowhere" in error_line("--lake", "s3://nowhere/lake", "status")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--encoder", "nope", "index", "."], "nope"),
        (["index", "/nowhere/at/all"], "no such source"),
        (["--lake", "/nowhere/lake", "search", "banjo"], "no lake at /nowhere/lake"),
        (["--lake", "/nowhere/lake", "status"], "tonelake index"),
        (["--lake", "ftp://x/y", "status"], "local path or s3://"),
        (["index", ".", "--max-windows", "0"], "--max-windows"),
        (["search"], "search for what"),
        (["search", "a", "--like", "b:3"], "from -1 to 1"),
    ],
)
def test_an_error_is_one_line(arguments, message):
    assert message in error_line(*arguments)


def test_a_wrong_tag_or_filter_is_one_line(indexed):
    lake, _, _ = indexed
    assert "there are" in error_line("--lake", lake, "--encoder", "fake", "search", "--tag", "no such tag")
    assert "--where" in error_line("--lake", lake, "--encoder", "fake", "search", "a", "--where", "colour = 'red'")
    assert "nonsense" in error_line("status", TONELAKE_ACCEPT="nonsense")


def test_a_store_that_does_not_answer_is_one_line():
    settings = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
    assert "no S3 store answers" in error_line("--lake", "s3://bucket/lake", "status", **settings)
    assert "no S3 store answers" in error_line("--encoder", "fake", "index", "s3://bucket/music", **settings)


def test_help_is_instant():
    started = time.monotonic()
    assert "index" in run("--help").stdout
    assert time.monotonic() - started < 3  # 0.5 s on a quiet machine; a stray heavy import takes longer than this
