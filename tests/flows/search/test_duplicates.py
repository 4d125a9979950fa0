"""Duplicates in a real lake of rendered pieces in real encodes."""

import csv
import os
import shutil
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest

import flows.search.near_pairs
from flows.console.progress import ProgressReporter
from flows.ingest.index import index_catalogue
from flows.ingest.report import IndexRequest
from flows.search.duplicates import DuplicatesRequest, find_duplicates
from lake.storage.lake import Lake
from lake.storage.lease import Lease, LeaseName
from schemas.errors import UserError
from schemas.settings import S3Settings, Settings
from tests.audio_files import sndfile
from tests.cli import error_line, run, run_json
from tests.flows.catalogue import run_in_process
from tests.rendered_twins import encodes, sound
from workers.synthetic_music.demo.styles import STYLES
from workers.synthetic_music.score.songs import Song

SECONDS = 12
SAME = ["mp3 64.mp3", "aac 96.m4a", "opus 48.opus", "a second of silence, 12 dB less, mp3 128.mp3"]


@pytest.fixture(scope="module")
def music(tmp_path_factory):
    """Two pieces in five encodes each, one file of them twice; a third piece in two keys, once each."""
    folder = tmp_path_factory.mktemp("music")
    for name, style in (("rock", STYLES[0]), ("jazz", STYLES[1])):
        for kind, data in encodes(sound(Song.compose(style, 1), SECONDS)):
            if kind in ("flac.flac", *SAME):
                (folder / f"{name} {kind}").write_bytes(data)
    (folder / "rock again.flac").write_bytes((folder / "rock flac.flac").read_bytes())
    song = Song.compose(STYLES[0], 2)
    (folder / "other.wav").write_bytes(sndfile(sound(song, SECONDS)))
    (folder / "other in C.wav").write_bytes(sndfile(sound(replace(song, tonic=(song.tonic + 2) % 12), SECONDS)))
    return folder


@pytest.fixture(scope="module")
def indexed(music, tmp_path_factory):
    settings = Settings(lake=str(tmp_path_factory.mktemp("indexed") / "lake"), encoder="musicnn")
    with pytest.MonkeyPatch.context() as patch:
        run_in_process([], patch)
        index_catalogue(IndexRequest((str(music),)), settings, ProgressReporter())
    return settings.lake


@pytest.fixture
def settings(indexed, tmp_path):
    shutil.copytree(indexed, tmp_path / "lake")
    return Settings(lake=str(tmp_path / "lake"))


@pytest.fixture
def fingerprinted(monkeypatch):
    """The names of the files that are fingerprinted, in this process."""
    names = []

    def fingerprint_files(missing, settings):
        from workers.audio.fingerprint import fingerprint_content

        names.extend(os.path.basename(uris[0]) for _, uris in missing)
        return (fingerprint_content(settings.s3, content) for content in missing)

    monkeypatch.setattr(flows.search.near_pairs, "_fingerprint_files", fingerprint_files)
    return names


def groups(report):
    grouped = {}
    for row in report.rows:
        grouped.setdefault((row.group, row.kind), set()).add(os.path.basename(row.uri))
    return sorted((kind, sorted(names)) for (_, kind), names in grouped.items())


NEAR = DuplicatesRequest(near=True, cosine=0.5)  # musicnn embeds 12 dB less and a second late as another vector


def all_encodes(name, *more):
    return sorted([f"{name} flac.flac", *(f"{name} {kind}" for kind in SAME), *more])


def test_equal_bytes_are_found_without_decoding(settings, fingerprinted):
    report = find_duplicates(DuplicatesRequest(), settings)
    assert groups(report) == [("identical", ["rock again.flac", "rock flac.flac"])]
    assert (report.tracks, report.groups, report.candidates) == (13, {"identical": 1, "near": 0}, 0)
    row = report.rows[0]
    assert (row.codec, row.cosine, row.duration_s) == ("flac", None, SECONDS)
    assert row.bytes == os.path.getsize(row.uri)
    assert fingerprinted == []


def test_encodes_of_one_recording_are_one_group(settings, fingerprinted):
    report = find_duplicates(NEAR, settings)
    assert groups(report) == [("near", all_encodes("jazz")), ("near", all_encodes("rock", "rock again.flac"))]
    assert report.candidates == report.confirmed + report.refuted
    for row in report.rows:
        assert row.cosine >= 0.5
        assert row.bit_error_rate < 0.25
    assert len(set(fingerprinted)) == len(fingerprinted) <= 12  # one of two equal files
    first, fingerprinted[:] = report, []
    assert find_duplicates(NEAR, settings) == first
    assert fingerprinted == []  # the fingerprints are stored


def test_candidates_that_sound_different_are_refuted(settings, fingerprinted):
    report = find_duplicates(DuplicatesRequest(near=True, cosine=-1.0), settings)
    assert groups(report) == [("near", all_encodes("jazz")), ("near", all_encodes("rock", "rock again.flac"))]
    assert report.refuted > 0
    assert {"other.wav", "other in C.wav"} <= set(fingerprinted)


@pytest.mark.usefixtures("fingerprinted")
def test_lengths_that_differ_are_no_candidates(settings):
    report = find_duplicates(DuplicatesRequest(near=True, seconds=0.5), settings)
    late = [row for row in report.rows if "silence" in row.uri]
    assert {row.group for row in late}.isdisjoint(row.group for row in report.rows if row not in late)
    assert {row.group for row in report.rows if row not in late} == {1, 2}


def test_files_that_cannot_be_read_are_not_confirmed(music, settings, fingerprinted):
    gone, changed = music / "jazz mp3 64.mp3", music / "jazz opus 48.opus"
    gone_data, changed_data = gone.read_bytes(), changed.read_bytes()
    try:
        gone.unlink()
        changed.write_bytes(gone_data)
        report = find_duplicates(NEAR, settings)
    finally:
        gone.write_bytes(gone_data)
        changed.write_bytes(changed_data)
    assert groups(report)[0] == ("near", sorted({*all_encodes("jazz")} - {gone.name, changed.name}))
    reasons = " ".join(row.why for row in report.unconfirmed)
    assert "not confirmed: unreadable" in reasons
    assert "is another file since it was embedded" in reasons
    assert len(report.unconfirmed) + report.confirmed + report.refuted == report.candidates
    fingerprinted.clear()
    assert groups(find_duplicates(NEAR, settings))[0] == ("near", all_encodes("jazz"))
    assert sorted(fingerprinted) == sorted([gone.name, changed.name])  # the others are stored


@pytest.mark.usefixtures("fingerprinted")
def test_only_active_current_tracks_are_compared(settings):
    lake = Lake.at(settings.lake, S3Settings())
    rows = {os.path.basename(row["uri"]): row["track_id"] for row in lake.table("tracks").to_table().to_pylist()}
    lake.table("tracks").update({"source_version": "'new'"}, where=f"track_id = '{rows['rock again.flac']}'")
    report = find_duplicates(DuplicatesRequest(), settings)
    assert (report.rows, report.tracks, report.changed) == ([], 12, 1)
    lake.table("tracks").update({"state": "'vanished'"}, where=f"track_id = '{rows['rock flac.flac']}'")
    report = find_duplicates(NEAR, settings)
    assert groups(report)[1] == ("near", sorted({*all_encodes("rock")} - {"rock flac.flac"}))


def test_an_interrupt_keeps_the_fingerprints(settings, monkeypatch):
    from workers.audio.fingerprint import fingerprint_content

    computed = []

    def stop_after_five(missing, settings):
        for content in missing[:5]:
            computed.append(content[0])
            yield fingerprint_content(settings.s3, content)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(flows.search.near_pairs, "_fingerprint_files", stop_after_five)
        with pytest.raises(KeyboardInterrupt):
            find_duplicates(DuplicatesRequest(near=True), settings)
    facts = Lake.at(settings.lake, S3Settings()).table("audio_facts").to_table(filter="fingerprint IS NOT NULL")
    assert sorted(facts["content_sha256"].to_pylist()) == sorted(computed)
    with Lease(Lake.at(settings.lake, S3Settings()), LeaseName.FINGERPRINTS, "again", print):
        pass  # the lease was released


def test_the_command(settings, tmp_path):
    arguments = ("duplicates", "--near", "--cosine", 0.5, "--out", tmp_path / "groups.csv")
    report = run_json(settings.lake, *arguments, encoder="musicnn")  # on Ray
    assert (report["groups"], report["unconfirmed"]) == ({"identical": 0, "near": 2}, [])
    with (tmp_path / "groups.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["track_id"] for row in rows] == [row["track_id"] for row in report["rows"]]
    printed = run("--lake", settings.lake, "duplicates", "--release", 1, "--out", tmp_path / "groups.parquet").stdout
    assert "groups: 1 identical, 0 near; 2 of 13 tracks are in one; written to" in printed
    assert pq.read_table(tmp_path / "groups.parquet")["kind"].to_pylist() == ["identical", "identical"]
    assert "ends in .csv or .parquet" in error_line("--lake", settings.lake, "duplicates", "--out", tmp_path / "x.txt")
    assert "--cosine is between" in error_line("--lake", settings.lake, "duplicates", "--near", "--cosine", "2")


def test_a_request_is_checked(settings):
    with pytest.raises(UserError, match="there is no release 7"):
        find_duplicates(DuplicatesRequest(release=7), settings)
    with pytest.raises(UserError, match="--seconds is between 0 and 60"):
        DuplicatesRequest(seconds=np.inf)
