"""Files that are skipped have names; the sound of videos is embedded."""

import json

import pytest

from lake.storage.lake import Lake
from schemas.settings import S3Settings
from tests.audio_files import SECONDS, sndfile, video
from tests.cli import run, run_here, run_json


@pytest.fixture(scope="module")
def indexed(tmp_path_factory):
    """A lake of a folder with a sound, films with and without sound, and other files; the folder; the report."""
    folder = tmp_path_factory.mktemp("skipped")
    music, lake = folder / "music", folder / "lake"
    music.mkdir()
    (music / "a.wav").write_bytes(sndfile(SECONDS))
    for suffix in ("mp4", "mkv", "mov"):
        (music / f"film.{suffix}").write_bytes(video(suffix, SECONDS))
        (music / f"silent film.{suffix}").write_bytes(video(suffix))
    for name in ("notes.txt", "cover.jpg", "._a.wav"):
        (music / name).write_text("x")
    return lake, music, run_json(lake, "index", music)


def test_the_sound_of_videos_is_embedded(indexed):
    lake, _, report = indexed
    assert (report["expected"], report["embedded"]) == (7, 4)
    assert report["reasons"] == {"no_audio_stream": 3}
    assert {row["reason"] for row in run_json(lake, "quarantine")} == {"no_audio_stream"}


def test_the_run_keeps_the_names_of_skipped_files(indexed):
    lake, music, report = indexed
    (row,) = Lake.at(str(lake), S3Settings()).table("runs").to_table(columns=["counts"]).to_pylist()
    counts = json.loads(row["counts"])
    assert counts["skipped"] == report["skipped"] == 3
    assert sorted(counts["skipped_names"]) == [f"{music}/{name}" for name in ("._a.wav", "cover.jpg", "notes.txt")]


def test_a_refresh_keeps_them_too(indexed):
    lake, music, _ = indexed
    run_here("--lake", lake, "refresh")
    rows = Lake.at(str(lake), S3Settings()).table("runs").to_table(columns=["command", "counts"]).to_pylist()
    counts = next(json.loads(row["counts"]) for row in rows if row["command"] == "refresh")
    assert f"{music}/notes.txt" in counts["skipped_names"]


def test_a_verbose_run_names_each_with_the_reason(indexed):
    lake, music, _ = indexed
    lines = run("--lake", lake, "--encoder", "fake", "index", "-v", "--dry-run", music).stderr
    assert f"skipped: {music}/notes.txt: not the suffix of an audio or video file" in lines
    assert f"skipped: {music}/._a.wav: a hidden file" in lines
    assert "skipped:" not in run_here("--lake", lake, "--encoder", "fake", "index", "--dry-run", music).stderr


def test_the_names_are_bounded(tmp_path):
    for number in range(130):
        (tmp_path / f"{number}.txt").write_text("x")
    (tmp_path / "a.wav").write_bytes(sndfile(SECONDS[:, :100_000]))
    report = run_json(tmp_path / "lake", "index", tmp_path)
    (row,) = Lake.at(str(tmp_path / "lake"), S3Settings()).table("runs").to_table(columns=["counts"]).to_pylist()
    assert report["skipped"] >= 130
    assert len(json.loads(row["counts"])["skipped_names"]) == 100
