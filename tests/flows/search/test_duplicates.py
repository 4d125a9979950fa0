"""Real encodes of rendered pieces in a real lake: which tracks are told to be the same."""

import csv
import os
import shutil
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest

import flows.search.duplicates
from flows.console.progress import Watch
from flows.ingest.index import index_catalogue
from flows.ingest.report import IndexRequest
from flows.search.duplicates import DuplicatesRequest, duplicates
from lake.catalogue.audio_facts import FINGERPRINTS
from lake.storage.lake import Lake
from lake.storage.lease import Lease
from schemas.errors import UserError
from schemas.settings import S3Settings, Settings
from tests.audio_files import sndfile
from tests.cli import answer, refused, run
from tests.flows.catalogue import here
from tests.rendered_twins import encodes, sound
from workers.synthetic_music.demo.styles import STYLES
from workers.synthetic_music.score.songs import Song

SECONDS = 12
SAME = ["mp3 64.mp3", "aac 96.m4a", "opus 48.opus", "a second of silence, 12 dB less, mp3 128.mp3"]


@pytest.fixture(scope="module")
def music(tmp_path_factory):
    """Two pieces in five encodes each, one of them twice; a third piece in two keys, alone."""
    folder = tmp_path_factory.mktemp("music")
    for name, style in (("rock", STYLES[0]), ("jazz", STYLES[1])):
        for kind, data in encodes(sound(Song.of(style, 1), SECONDS)):
            if kind in ("flac.flac", *SAME):
                (folder / f"{name} {kind}").write_bytes(data)
    (folder / "rock again.flac").write_bytes((folder / "rock flac.flac").read_bytes())
    song = Song.of(STYLES[0], 2)
    (folder / "other.wav").write_bytes(sndfile(sound(song, SECONDS)))
    (folder / "other in C.wav").write_bytes(sndfile(sound(replace(song, tonic=(song.tonic + 2) % 12), SECONDS)))
    return folder


@pytest.fixture(scope="module")
def indexed(music, tmp_path_factory):
    settings = Settings(lake=str(tmp_path_factory.mktemp("indexed") / "lake"), encoder="musicnn")
    with pytest.MonkeyPatch.context() as patch:
        here([], patch)
        index_catalogue(IndexRequest((str(music),)), settings, Watch())
    return settings.lake


@pytest.fixture
def settings(indexed, tmp_path):
    shutil.copytree(indexed, tmp_path / "lake")
    return Settings(lake=str(tmp_path / "lake"))


@pytest.fixture
def heard(monkeypatch):
    """The files whose sound is compared, heard in this process."""
    names = []

    def taken(missing, settings):
        from workers.audio.fingerprint import take

        names.extend(os.path.basename(uris[0]) for _, uris in missing)
        return (take(settings.s3, content) for content in missing)

    monkeypatch.setattr(flows.search.duplicates, "_taken", taken)
    return names


def groups(found):
    grouped = {}
    for row in found.rows:
        grouped.setdefault((row["group"], row["kind"]), set()).add(os.path.basename(row["uri"]))
    return sorted((kind, sorted(names)) for (_, kind), names in grouped.items())


NEAR = DuplicatesRequest(near=True, cosine=0.5)  # 12 dB less and a second late is another vector to musicnn


def every(name, *more):
    return sorted([f"{name} flac.flac", *(f"{name} {kind}" for kind in SAME), *more])


def test_equal_bytes_are_told_without_hearing_them(settings, heard):
    found = duplicates(DuplicatesRequest(), settings)
    assert groups(found) == [("identical", ["rock again.flac", "rock flac.flac"])]
    assert (found.tracks, found.groups, found.candidates) == (13, {"identical": 1, "near": 0}, 0)
    row = found.rows[0]
    assert (row["codec"], row["cosine"], row["duration_s"]) == ("flac", None, SECONDS)
    assert row["bytes"] == os.path.getsize(row["uri"])
    assert heard == []


def test_encodes_of_one_recording_are_one_group(settings, heard):
    found = duplicates(NEAR, settings)
    assert groups(found) == [("near", every("jazz")), ("near", every("rock", "rock again.flac"))]
    assert found.candidates == found.confirmed + found.refuted
    for row in found.rows:
        assert row["cosine"] >= 0.5
        assert row["bit_error_rate"] < 0.25
    assert len(set(heard)) == len(heard) <= 12  # of two equal files one
    first, heard[:] = found, []
    assert duplicates(NEAR, settings) == first
    assert heard == []  # fingerprints were kept


def test_candidates_that_sound_otherwise_are_refuted(settings, heard):
    found = duplicates(DuplicatesRequest(near=True, cosine=-1.0), settings)
    assert groups(found) == [("near", every("jazz")), ("near", every("rock", "rock again.flac"))]
    assert found.refuted > 0
    assert {"other.wav", "other in C.wav"} <= set(heard)


@pytest.mark.usefixtures("heard")
def test_lengths_that_differ_are_no_candidates(settings):
    found = duplicates(DuplicatesRequest(near=True, seconds=0.5), settings)
    late = [row for row in found.rows if "silence" in row["uri"]]
    assert {row["group"] for row in late}.isdisjoint(row["group"] for row in found.rows if row not in late)
    assert {row["group"] for row in found.rows if row not in late} == {1, 2}


def test_what_cannot_be_read_now_is_not_confirmed(music, settings, heard):
    gone, changed = music / "jazz mp3 64.mp3", music / "jazz opus 48.opus"
    kept = gone.read_bytes(), changed.read_bytes()
    try:
        gone.unlink()
        changed.write_bytes(kept[0])
        found = duplicates(NEAR, settings)
    finally:
        gone.write_bytes(kept[0])
        changed.write_bytes(kept[1])
    assert groups(found)[0] == ("near", sorted({*every("jazz")} - {gone.name, changed.name}))
    reasons = " ".join(row["why"] for row in found.unconfirmed)
    assert "not confirmed: unreadable" in reasons
    assert "is another file since it was embedded" in reasons
    assert len(found.unconfirmed) + found.confirmed + found.refuted == found.candidates
    heard.clear()
    assert groups(duplicates(NEAR, settings))[0] == ("near", every("jazz"))
    assert sorted(heard) == sorted([gone.name, changed.name])  # only what was not kept


@pytest.mark.usefixtures("heard")
def test_the_registry_decides_who_is_asked(settings):
    lake = Lake.at(settings.lake, S3Settings())
    rows = {os.path.basename(row["uri"]): row["track_id"] for row in lake.table("tracks").to_table().to_pylist()}
    lake.table("tracks").update({"source_version": "'new'"}, where=f"track_id = '{rows['rock again.flac']}'")
    found = duplicates(DuplicatesRequest(), settings)
    assert (found.rows, found.tracks, found.changed) == ([], 12, 1)
    lake.table("tracks").update({"state": "'vanished'"}, where=f"track_id = '{rows['rock flac.flac']}'")
    found = duplicates(NEAR, settings)
    assert groups(found)[1] == ("near", sorted({*every("rock")} - {"rock flac.flac"}))


def test_an_interrupt_keeps_what_was_heard(settings, monkeypatch):
    from workers.audio.fingerprint import take

    taken = []

    def stopped(missing, settings):
        for content in missing[:5]:
            taken.append(content[0])
            yield take(settings.s3, content)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(flows.search.duplicates, "_taken", stopped)
        with pytest.raises(KeyboardInterrupt):
            duplicates(DuplicatesRequest(near=True), settings)
    facts = Lake.at(settings.lake, S3Settings()).table("audio_facts").to_table(filter="fingerprint IS NOT NULL")
    assert sorted(facts["content_sha256"].to_pylist()) == sorted(taken)
    with Lease(Lake.at(settings.lake, S3Settings()), FINGERPRINTS, "again", print):
        pass  # it was given back


def test_the_command(settings, tmp_path):
    told = answer(
        settings.lake, "duplicates", "--near", "--cosine", 0.5, "--out", tmp_path / "groups.csv", encoder="musicnn"
    )  # on Ray
    assert (told["groups"], told["unconfirmed"]) == ({"identical": 0, "near": 2}, [])
    with (tmp_path / "groups.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["track_id"] for row in rows] == [row["track_id"] for row in told["rows"]]
    shown = run("--lake", settings.lake, "duplicates", "--release", 1, "--out", tmp_path / "groups.parquet").stdout
    assert "groups: 1 identical, 0 near; 2 of 13 tracks are in one; written to" in shown
    assert pq.read_table(tmp_path / "groups.parquet")["kind"].to_pylist() == ["identical", "identical"]
    assert "ends in .csv or .parquet" in refused("--lake", settings.lake, "duplicates", "--out", tmp_path / "x.txt")
    assert "--cosine is between" in refused("--lake", settings.lake, "duplicates", "--near", "--cosine", "2")


def test_a_request_is_checked(settings):
    with pytest.raises(UserError, match="there is no release 7"):
        duplicates(DuplicatesRequest(number=7), settings)
    with pytest.raises(UserError, match="--seconds is between 0 and 60"):
        DuplicatesRequest(seconds=np.inf)
