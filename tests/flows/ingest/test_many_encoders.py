"""Many encoders decode a file once; each table is as if its encoder had run alone."""

import io
import os
import shutil
from pathlib import Path

import lance
import numpy as np
import pytest

from lake.sources.listing import list_sources
from schemas.settings import Settings
from schemas.tables import embeddings_table, features_table, windows_table
from schemas.tracks import TrackToEmbed
from tests.audio_files import BROKEN, sndfile, tone
from tests.cli import run_json
from tests.conformance.models import fetch_models
from workers.audio import recording
from workers.audio.recording import Recording
from workers.audio.verdicts import AudioInspector
from workers.embedding.track import embed_track
from workers.encoders import fake
from workers.encoders.fake import FakeEncoder
from workers.encoders.registry import ENCODERS

NAMES = ("fake", "musicnn")


@pytest.fixture(scope="module")
def music(rendered, tmp_path_factory):
    """Six pieces and a silent file."""
    fetch_models(*ENCODERS["musicnn"].weights)
    folder = tmp_path_factory.mktemp("many") / "music"
    shutil.copytree(rendered, folder)
    (folder / "manifest.csv").unlink()
    (folder / "silent.wav").write_bytes(BROKEN["silent.wav"][0]())
    return folder


@pytest.fixture(scope="module")
def together(music, tmp_path_factory):
    lake = tmp_path_factory.mktemp("many-lake")
    return lake, run_json(lake, "index", music, encoder="fake,musicnn")


def rows(lake, name):
    return {row["track_id"]: row for row in lance.dataset(f"{lake}/{name}.lance").to_table().to_pylist()}


def test_each_encoder_reports_its_own_coverage(together):
    _, reports = together
    assert [report["encoder"] for report in reports] == list(NAMES)
    for report in reports:
        assert (report["expected"], report["embedded"], report["quarantined"], report["pending"]) == (7, 6, 1, 0)
        assert report["shared_with"] == list(NAMES)
        assert report["core_seconds"] == pytest.approx(report["wall_seconds"] * os.cpu_count() / 2, rel=0.02)
        assert report["reasons"] == {"silent": 1}
    assert len({report["run_id"] for report in reports}) == 2


@pytest.mark.parametrize("name", NAMES)
def test_the_tables_are_those_of_the_encoder_alone(together, music, tmp_path, name):
    lake, _ = together
    run_json(tmp_path / "alone", "index", music, encoder=name)
    spec = ENCODERS[name].spec
    tables = [embeddings_table(spec), windows_table(spec)] + ([features_table(spec)] if spec.stores_features else [])
    for table in tables:
        shared, alone = rows(lake, table), rows(tmp_path / "alone", table)
        assert shared.keys() == alone.keys()
        for track, row in shared.items():
            assert {**row, "run_id": ""} == {**alone[track], "run_id": ""}


def test_a_second_encoder_embeds_only_the_tracks_that_it_lacks(music, tmp_path):
    run_json(tmp_path, "index", music, encoder="fake")
    fake, musicnn = run_json(tmp_path, "index", music, encoder="fake,musicnn")
    assert (fake["embedded_now"], musicnn["embedded_now"]) == (0, 6)
    reports = run_json(tmp_path, "index", music, encoder="musicnn,fake")
    assert [report["embedded_now"] for report in reports] == [0, 0]


def test_a_limit_holds_for_each_encoder(music, tmp_path):
    reports = run_json(tmp_path, "index", music, "--limit", "2", encoder="fake,musicnn")
    assert [report["embedded_now"] + report["quarantined"] for report in reports] == [2, 2]
    dry = run_json(tmp_path, "index", music, "--dry-run", encoder="fake,musicnn")
    assert [report["would_embed"] for report in dry] == [5, 5]


def test_an_encoder_that_fails_leaves_its_track_pending_and_harms_no_other(tmp_path, monkeypatch):
    (tmp_path / "loud.wav").write_bytes(sndfile(tone(3.0)))
    (tmp_path / "quiet.wav").write_bytes(sndfile(tone(3.0) / 100))
    tracks = list_sources([str(tmp_path)], Settings().s3).tracks
    encoders = [FakeEncoder(fake.SPEC, tmp_path) for _ in range(2)]

    def fail_if_loud(windows):
        if np.abs(windows).max() > 0.1:
            raise RuntimeError("it is too loud")
        return FakeEncoder.embed_windows(encoders[1], windows)

    monkeypatch.setattr(encoders[1], "embed_windows", fail_if_loud)
    rows = [embed_track(track, encoders, Settings()) for track in TrackToEmbed.from_table(tracks)]
    outcomes = {Path(track.uri).name: row for track, row in zip(TrackToEmbed.from_table(tracks), rows, strict=True)}
    assert [row.outcome for row in outcomes["quiet.wav"]] == ["embedded", "embedded"]
    assert [row.outcome for row in outcomes["loud.wav"]] == ["embedded", "pending"]
    assert "it is too loud" in outcomes["loud.wav"][1].message


def test_a_short_file_is_decoded_once_and_a_long_one_twice(monkeypatch):
    calls = []
    decode = recording.decode
    monkeypatch.setattr(recording, "decode", lambda *arguments: calls.append(1) or decode(*arguments))
    for kept_bytes, times in ((1 << 30, 1), (1000, 2)):
        monkeypatch.setattr(recording, "KEPT_BYTES", kept_bytes)
        calls.clear()
        audio = Recording(io.BytesIO(sndfile(tone(3.0))), keep=True)
        first, second = (
            np.concatenate([chunk.samples for chunk in audio.chunks(AudioInspector(frozenset()))], axis=1)
            for _ in range(2)
        )
        np.testing.assert_array_equal(first, second)
        assert len(calls) == times
