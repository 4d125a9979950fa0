"""A takedown leaves no trace of a track: no row, no byte of its vector in any file, and no way to return."""

import json
import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest

from flows.export.export import ExportRequest, write_export
from flows.operations.doctor import examine_lakes
from flows.operations.status import read_status
from flows.operations.takedown import TakedownRequest, take_down
from flows.releases.promote import rollback
from flows.search.search import search
from lake.embeddings.committer import Committer
from lake.embeddings.indexes import compact_and_index
from lake.maintenance.cleanup import table_files
from lake.releases.publish import draft, publish
from lake.releases.releases import find_release, live_release, open_snapshot, take_snapshot
from lake.storage.lease import Lease
from schemas.errors import UserError
from schemas.settings import Settings
from schemas.tables import embeddings_table, features_table, windows_table
from tests.cli import error_line, kill_group, run, run_json, start
from tests.flows.catalogue import ChangingCatalogue, run_in_process, write_sound
from tests.lake.rows import SPEC, embedded_row, make_small_lake, outcome_batch


@pytest.fixture(params=["local", "s3"])
def uri(request, tmp_path):
    return str(tmp_path / "lake") if request.param == "local" else request.getfixturevalue("s3_bucket")


@pytest.fixture
def catalogue(uri, tmp_path, monkeypatch):
    catalogue = ChangingCatalogue(tmp_path / "music", uri)
    run_in_process(catalogue.decoded, monkeypatch)
    return catalogue


def files_with(home, vector):
    """Return the files of the lake that contain the bytes of a vector."""
    files, data = home.file_system(), np.asarray(vector).tobytes()
    return [path for name in home.table_names() for path in table_files(home, name) if data in files.cat_file(path)]


def vector_of(catalogue, name):
    return np.asarray(catalogue.rows()[name]["vector"], np.float32)


def scores(catalogue, **options):
    return {hit.track_id: hit.score for hit in search(Settings(lake=catalogue.uri), text="banjo", k=100, **options)}


def take_down_tracks(catalogue, *tracks, **options):
    return take_down(TakedownRequest(tracks, **options), Settings(lake=catalogue.uri), print)


def make_releases(catalogue):
    """Make three releases: ten files, a.wav changed, j.wav removed. Return the id of a.wav and both its vectors."""
    catalogue.index()
    first, track = vector_of(catalogue, "a.wav"), catalogue.rows()["a.wav"]["track_id"]
    write_sound(catalogue.music / "a.wav", 100)
    catalogue.refresh()
    (catalogue.music / "j.wav").unlink()
    catalogue.refresh()
    assert live_release(catalogue.lake).number == 3
    return track, first, vector_of(catalogue, "a.wav")


def test_no_byte_of_a_vector_is_left_and_releases_lose_nothing_else(catalogue):
    track, *vectors = make_releases(catalogue)
    assert all(files_with(catalogue.lake, vector) for vector in vectors)
    before = {number: scores(catalogue, release=number) for number in (1, 2, 3)}
    assert all(track in release_scores for release_scores in before.values())
    receipt = take_down_tracks(catalogue, track, reason="a request of the label")
    assert not any(files_with(catalogue.lake, vector) for vector in vectors)
    for number, expected in before.items():
        expected.pop(track)
        assert scores(catalogue, release=number) == expected
    assert [rebuilt.release for rebuilt in receipt.releases] == [1, 2, 3]
    assert receipt.versions_examined > 3
    assert not receipt.rows_left
    assert not receipt.files_left
    assert {table.table.partition("__")[0] for table in receipt.tables} == {
        "audio_facts",
        "descriptions",
        "tracks",
        "windows",
        "embeddings",
    }
    assert live_release(catalogue.lake).snapshot.tracks == 8
    assert examine_lakes(Settings(lake=catalogue.uri)) == []


def test_a_vanished_track_is_taken_down_too_and_rollback_still_works(catalogue):
    track, *_ = make_releases(catalogue)
    (vanished,) = (row["track_id"] for row in catalogue.registry().values() if row["state"] == "vanished")
    take_down_tracks(catalogue, vanished)
    assert vanished not in scores(catalogue, release=1)
    assert catalogue.count_vanished_rows() == 0
    release = rollback(1, Settings(lake=catalogue.uri))
    assert scores(catalogue) == scores(catalogue, release=1)
    assert track in scores(catalogue)
    assert release.snapshot.tracks == 9


def test_index_and_refresh_refuse_the_track(catalogue, capsys):
    catalogue.index()
    track = catalogue.rows()["a.wav"]["track_id"]
    shutil.copy(catalogue.music / "a.wav", catalogue.music / "copy.wav")
    catalogue.refresh()
    assert take_down_tracks(catalogue, track).tracks == (track,)
    report = catalogue.index()
    assert "1 tracks were taken down" in capsys.readouterr().err
    assert (report.coverage.expected, report.coverage.embedded) == (10, 10)
    assert "a.wav" not in catalogue.rows()
    assert "copy.wav" in catalogue.rows()
    assert catalogue.refresh().changes.new == 0
    (encoder,) = read_status(Settings(lake=catalogue.uri)).encoders
    assert encoder.coverage.expected == encoder.coverage.embedded == 10


def test_content_is_refused_under_any_id(catalogue):
    catalogue.index()
    for name in ("copy.wav", "second copy.wav"):
        shutil.copy(catalogue.music / "a.wav", catalogue.music / name)
    catalogue.refresh()
    ids = {
        row["track_id"] for name, row in catalogue.rows().items() if name in ("a.wav", "copy.wav", "second copy.wav")
    }
    vector = vector_of(catalogue, "a.wav")
    receipt = take_down_tracks(catalogue, min(ids), content=True)
    assert set(receipt.tracks) == ids
    assert len(receipt.contents) == 1
    shutil.copy(catalogue.music / "a.wav", catalogue.music / "later.wav")
    report = catalogue.refresh().encoders[0]
    assert report.coverage.reasons == {"taken_down": 1}
    assert report.coverage.expected == 10
    assert not files_with(catalogue.lake, vector)


def test_audio_facts_that_another_track_shares_are_kept(catalogue):
    catalogue.index()
    shutil.copy(catalogue.music / "a.wav", catalogue.music / "copy.wav")
    catalogue.refresh()
    row = catalogue.rows()["copy.wav"]
    take_down_tracks(catalogue, catalogue.rows()["a.wav"]["track_id"])
    facts = catalogue.lake.table("audio_facts").to_table()["content_sha256"].to_pylist()
    assert len(facts) == 10
    assert row["content_sha256"] in facts
    take_down_tracks(catalogue, row["track_id"])
    facts = catalogue.lake.table("audio_facts").to_table()["content_sha256"].to_pylist()
    assert len(facts) == 9
    assert row["content_sha256"] not in facts


def test_releases_can_be_dropped_instead(catalogue):
    track, *vectors = make_releases(catalogue)
    receipt = take_down_tracks(catalogue, track, retire=True)
    assert [(rebuilt.release, rebuilt.after is None) for rebuilt in receipt.releases] == [
        (1, True),
        (2, True),
        (3, False),
    ]
    assert not any(files_with(catalogue.lake, vector) for vector in vectors)
    assert track not in scores(catalogue)
    with pytest.raises(UserError, match="were removed"):
        scores(catalogue, release=1)


def test_exports_are_rebuilt_and_an_unreachable_one_is_retried(catalogue, tmp_path, monkeypatch):
    track, *vectors = make_releases(catalogue)
    settings, out = Settings(lake=catalogue.uri), tmp_path / "out"
    for number in (1, 3):
        write_export(ExportRequest(str(out / str(number)), number, format="npy"), settings, print)
    write_export(ExportRequest(str(out / "unmounted"), 1, format="npy"), settings, print)
    with monkeypatch.context() as unmounted:
        unmounted.setattr(
            "flows.export.rebuild.unreachable_reason",
            lambda export: "no disk" if export.uri.endswith("unmounted") else None,
        )
        receipt = take_down_tracks(catalogue, track)
    states = {export.uri.rsplit("/", 1)[1]: export.state for export in receipt.exports}
    assert states == {"1": "written anew", "3": "written anew", "unmounted": "out of reach"}
    assert not receipt.is_clean
    for number in (1, 3):
        data = (out / str(number) / "vectors.npy").read_bytes()
        assert not any(vector.tobytes() in data for vector in vectors)
        assert track not in pq.read_table(out / str(number) / "tracks.parquet")["track_id"].to_pylist()
    assert any(vector.tobytes() in (out / "unmounted" / "vectors.npy").read_bytes() for vector in vectors)
    retried = take_down_tracks(catalogue)
    assert retried.is_clean
    assert {export.state for export in retried.exports} == {"unchanged", "written anew"}
    assert not any(vector.tobytes() in (out / "unmounted" / "vectors.npy").read_bytes() for vector in vectors)


def test_features_windows_and_quarantine_are_erased_too(uri):
    home = make_small_lake(uri)
    name, quarantined = "t0003", "y-quarantined"
    vectors = {
        embeddings_table(SPEC): embedded_row(name)["vector"],
        features_table(SPEC): embedded_row(name)["features"],
        windows_table(SPEC): embedded_row(name)["window_vectors"][0],
    }
    files = {table: files_with(home, vector) for table, vector in vectors.items()}
    assert all(any(table in path for path in paths) for table, paths in files.items())
    receipt = take_down(TakedownRequest((name, quarantined)), Settings(lake=uri), print)
    assert not any(files_with(home, vector) for vector in vectors.values())
    assert {table.table for table in receipt.tables} == {*vectors, "audio_facts", "quarantine", "tracks"}
    for table in ("tracks", "quarantine", *vectors):
        assert not {name, quarantined} & {*home.table(table).to_table()["track_id"].to_pylist()}


def test_the_track_is_erased_from_indexes(tmp_path, monkeypatch):
    monkeypatch.setattr("lake.embeddings.indexes.VECTOR_INDEX_ROWS", 10)
    home = make_small_lake(str(tmp_path / "lake"), commits=30)
    compact_and_index(home, SPEC)
    publish(home, draft(None, take_snapshot(home, SPEC), "a-run", "index"), print)
    name = embeddings_table(SPEC)
    home.table(name).delete("track_id = 't0005'")
    publish(home, draft(live_release(home), take_snapshot(home, SPEC), "b-run", "index"), print)
    before = {index.name: index.num_rows_indexed for index in home.table(name).describe_indices()}
    assert {"track_id_idx", "vector_idx"} <= before.keys()
    assert set(before.values()) == {119}
    mark = b"t0007"
    indexed = [
        path for path in table_files(home, name) if "_indices" in path and mark in home.file_system().cat_file(path)
    ]
    assert indexed
    take_down(TakedownRequest(("t0007",)), Settings(lake=home.uri), print)
    after = {index.name: index.num_rows_indexed for index in home.table(name).describe_indices()}
    assert after == dict.fromkeys(before, 118)
    earlier = open_snapshot(home, find_release(home, 1).snapshot).table(name)
    assert (earlier.count_rows(), earlier.describe_indices()) == (119, [])
    assert not any(
        mark in home.file_system().cat_file(path) for path in table_files(home, name) if "/_transactions/" not in path
    )


def test_a_killed_takedown_stops_writers_and_is_finished_by_the_next_call(uri, tmp_path):
    home = make_small_lake(uri, commits=4)
    publish(home, draft(None, take_snapshot(home, SPEC), "a-run", "index"), print)
    run_id = "20260101T000001-bbbbbb"
    with Lease(home, embeddings_table(SPEC), run_id, print) as lease:
        committer = Committer(home, SPEC, lease, run_id, Settings())
        committer.add(outcome_batch(embedded_row("t0003", "2"), embedded_row("z-pending")))
        committer.flush()
    expected = home.table(embeddings_table(SPEC)).to_table().sort_by("track_id")["track_id"].to_pylist()
    vectors = [embedded_row("t0003", version)["vector"] for version in "12"]
    for table in ("embeddings", "tracks"):
        process = start("--lake", uri, "takedown", "--yes", "t0003")
        while table not in (line := process.stderr.readline()):
            assert line, "it ended before it was killed"
        kill_group(process)
    write_sound(tmp_path / "music" / "a.wav", 1)
    message = error_line("--lake", uri, "--encoder", "fake", "index", tmp_path / "music")
    assert "is not finished: wait for it, or finish it with `tonelake takedown`" in message
    assert "takedown" in {finding.check for finding in examine_lakes(Settings(lake=uri))}
    run("--lake", uri, "takedown", "--receipt", tmp_path / "receipt.json")
    receipt = json.loads((tmp_path / "receipt.json").read_text())
    assert receipt["tracks"] == ["t0003"]
    assert receipt["rows_left"] == 0 == len(receipt["files_left"])
    assert not any(files_with(home, vector) for vector in vectors)
    assert "vector" not in (tmp_path / "receipt.json").read_text()
    expected.remove("t0003")
    assert home.table(embeddings_table(SPEC)).to_table().sort_by("track_id")["track_id"].to_pylist() == expected
    assert live_release(home).snapshot.tracks == 15


def test_wrong_usage_is_one_line(tmp_path):
    home = make_small_lake(str(tmp_path / "lake"))
    assert "has no track nobody; nothing was removed" in error_line("--lake", home.uri, "takedown", "--yes", "nobody")
    assert "add --yes" in error_line("--lake", home.uri, "takedown", "t0003")
    assert "take down which tracks?" in error_line("--lake", home.uri, "takedown")
    (tmp_path / "existing.json").touch()
    arguments = ("--lake", home.uri, "takedown", "--yes", "t0003", "--receipt", tmp_path / "existing.json")
    assert "name another file" in error_line(*arguments)
    assert "t0003" in home.table("tracks").to_table()["track_id"].to_pylist()
    assert run_json(home.uri, "doctor", encoder="fake") == []
