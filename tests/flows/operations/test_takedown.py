"""A takedown leaves no trace of a track: no row, no byte of its vector in any file, and no way back in."""

import json
import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest

from flows.export.export import ExportRequest, export
from flows.operations.doctor import doctor
from flows.operations.takedown import ForgetRequest, forget
from flows.releases.promote import rollback
from flows.search.search import find, status
from lake.embeddings.committer import Committer
from lake.embeddings.indexes import tend
from lake.maintenance.cleanup import files_of
from lake.releases.releases import at, draft, live, publish, release, snapshot
from lake.storage.lease import Lease
from schemas.errors import UserError
from schemas.settings import Settings
from schemas.tables import embeddings_table, features_table, windows_table
from tests.cli import answer, kill_group, refused, run, start
from tests.flows.catalogue import Catalogue, here, write_sound
from tests.lake.rows import SPEC, batch, embedded, small_lake


@pytest.fixture(params=["local", "s3"])
def uri(request, tmp_path):
    return str(tmp_path / "lake") if request.param == "local" else request.getfixturevalue("s3_bucket")


@pytest.fixture
def made(uri, tmp_path, monkeypatch):
    made = Catalogue(tmp_path / "music", uri)
    here(made.decoded, monkeypatch)
    return made


def holding(home, vector):
    """Files of the lake in which the vector's bytes lie."""
    files, sought = home.files(), np.asarray(vector).tobytes()
    return [path for name in home.names() for path in files_of(home, name) if sought in files.cat_file(path)]


def vector_of(made, name):
    return np.asarray(made.rows()[name]["vector"], np.float32)


def scores(made, **asked):
    return {row["track_id"]: row["score"] for row in find(Settings(lake=made.uri), text="banjo", k=100, **asked)}


def gone(made, *tracks, **asked):
    return forget(ForgetRequest(tracks, **asked), Settings(lake=made.uri), print)


def nights(made):
    """Three releases: ten sounds, another sound in a.wav, one without j.wav. Gives a.wav's id and vectors."""
    made.index()
    first, track = vector_of(made, "a.wav"), made.rows()["a.wav"]["track_id"]
    write_sound(made.music / "a.wav", 100)
    made.refresh()
    (made.music / "j.wav").unlink()
    made.refresh()
    assert live(made.lake).number == 3
    return track, first, vector_of(made, "a.wav")


def test_no_byte_of_a_vector_is_left_and_every_release_is_as_it_was_but_for_the_track(made):
    track, *vectors = nights(made)
    assert all(holding(made.lake, vector) for vector in vectors)
    before = {number: scores(made, number=number) for number in (1, 2, 3)}
    assert all(track in found for found in before.values())
    receipt = gone(made, track, reason="the label asked for it")
    assert not any(holding(made.lake, vector) for vector in vectors)
    for number, found in before.items():
        found.pop(track)
        assert scores(made, number=number) == found
    assert [one.release for one in receipt.releases] == [1, 2, 3]
    assert receipt.versions_examined > 3
    assert not receipt.rows_left
    assert not receipt.files_left
    assert {table.table.partition("__")[0] for table in receipt.tables} == {
        "audio_facts",
        "tracks",
        "windows",
        "embeddings",
    }
    assert live(made.lake).snapshot.tracks == 8
    assert doctor(Settings(lake=made.uri)) == []


def test_a_vanished_track_is_taken_down_too_and_rollback_still_works(made):
    track, *_ = nights(made)
    (lost,) = (row["track_id"] for row in made.registry().values() if row["state"] == "vanished")
    gone(made, lost)
    assert lost not in scores(made, number=1)
    assert made.kept() == 0
    back = rollback(1, Settings(lake=made.uri))
    assert scores(made) == scores(made, number=1)
    assert track in scores(made)
    assert back.snapshot.tracks == 9


def test_it_is_refused_by_every_way_in(made, capsys):
    made.index()
    track = made.rows()["a.wav"]["track_id"]
    shutil.copy(made.music / "a.wav", made.music / "copy.wav")
    made.refresh()
    assert gone(made, track).tracks == (track,)
    report = made.index()
    assert "1 tracks were taken down" in capsys.readouterr().err
    assert (report.expected, report.embedded) == (10, 10)
    assert "a.wav" not in made.rows()
    assert "copy.wav" in made.rows()
    assert made.refresh()["new"] == 0
    (encoder,) = status(Settings(lake=made.uri))["encoders"]
    assert encoder["expected"] == encoder["embedded"] == 10


def test_content_is_refused_under_any_id(made):
    made.index()
    for name in ("copy.wav", "again.wav"):
        shutil.copy(made.music / "a.wav", made.music / name)
    made.refresh()
    ids = {row["track_id"] for name, row in made.rows().items() if name in ("a.wav", "copy.wav", "again.wav")}
    vector = vector_of(made, "a.wav")
    receipt = gone(made, min(ids), content=True)
    assert set(receipt.tracks) == ids
    assert len(receipt.contents) == 1
    shutil.copy(made.music / "a.wav", made.music / "later.wav")
    report = made.refresh()["encoders"][0]
    assert report["reasons"] == {"taken_down": 1}
    assert report["expected"] == 10
    assert not holding(made.lake, vector)


def test_facts_of_audio_that_another_track_has_too_are_kept(made):
    made.index()
    shutil.copy(made.music / "a.wav", made.music / "copy.wav")
    made.refresh()
    row = made.rows()["copy.wav"]
    gone(made, made.rows()["a.wav"]["track_id"])
    facts = made.lake.table("audio_facts").to_table()["content_sha256"].to_pylist()
    assert len(facts) == 10
    assert row["content_sha256"] in facts
    gone(made, row["track_id"])
    facts = made.lake.table("audio_facts").to_table()["content_sha256"].to_pylist()
    assert len(facts) == 9
    assert row["content_sha256"] not in facts


def test_releases_may_be_given_up_instead(made):
    track, *vectors = nights(made)
    receipt = gone(made, track, retire=True)
    assert [(one.release, one.after is None) for one in receipt.releases] == [(1, True), (2, True), (3, False)]
    assert not any(holding(made.lake, vector) for vector in vectors)
    assert track not in scores(made)
    with pytest.raises(UserError, match="given up"):
        scores(made, number=1)


def test_exports_are_written_anew_and_one_that_is_out_of_reach_is_tried_again(made, tmp_path, monkeypatch):
    track, *vectors = nights(made)
    settings, out = Settings(lake=made.uri), tmp_path / "out"
    for number in (1, 3):
        export(ExportRequest(str(out / str(number)), number, format="npy"), settings, print)
    export(ExportRequest(str(out / "lost"), 1, format="npy"), settings, print)
    with monkeypatch.context() as unmounted:
        unmounted.setattr(
            "flows.export.rebuild.out_of_reach", lambda one: "no disk" if one.uri.endswith("lost") else None
        )
        receipt = gone(made, track)
    states = {one.uri.rsplit("/", 1)[1]: one.state for one in receipt.exports}
    assert states == {"1": "written anew", "3": "written anew", "lost": "out of reach"}
    assert not receipt.is_clean
    for number in (1, 3):
        whole = (out / str(number) / "vectors.npy").read_bytes()
        assert not any(vector.tobytes() in whole for vector in vectors)
        assert track not in pq.read_table(out / str(number) / "tracks.parquet")["track_id"].to_pylist()
    assert any(vector.tobytes() in (out / "lost" / "vectors.npy").read_bytes() for vector in vectors)
    later = gone(made)
    assert later.is_clean
    assert {one.state for one in later.exports} == {"unchanged", "written anew"}
    assert not any(vector.tobytes() in (out / "lost" / "vectors.npy").read_bytes() for vector in vectors)


def test_features_windows_and_quarantine_go_too(uri):
    home = small_lake(uri)
    name, out = "t0003", "y-quarantined"
    sought = {
        embeddings_table(SPEC): embedded(name)["vector"],
        features_table(SPEC): embedded(name)["features"],
        windows_table(SPEC): embedded(name)["window_vectors"][0],
    }
    found = {table: holding(home, vector) for table, vector in sought.items()}
    assert all(any(table in path for path in paths) for table, paths in found.items())
    receipt = forget(ForgetRequest((name, out)), Settings(lake=uri), print)
    assert not any(holding(home, vector) for vector in sought.values())
    assert {table.table for table in receipt.tables} == {*sought, "audio_facts", "quarantine", "tracks"}
    for table in ("tracks", "quarantine", *sought):
        assert not {name, out} & {*home.table(table).to_table()["track_id"].to_pylist()}


def test_indexes_know_it_no_longer(tmp_path, monkeypatch):
    monkeypatch.setattr("lake.embeddings.indexes.VECTOR_INDEX_ROWS", 10)
    home = small_lake(str(tmp_path / "lake"), commits=30)
    tend(home, SPEC)
    publish(home, draft(None, snapshot(home, SPEC), "a-run", "index"), print)
    name = embeddings_table(SPEC)
    home.table(name).delete("track_id = 't0005'")
    publish(home, draft(live(home), snapshot(home, SPEC), "b-run", "index"), print)
    before = {index.name: index.num_rows_indexed for index in home.table(name).describe_indices()}
    assert {"track_id_idx", "vector_idx"} <= before.keys()
    assert set(before.values()) == {119}
    mark = b"t0007"
    indexed = [path for path in files_of(home, name) if "_indices" in path and mark in home.files().cat_file(path)]
    assert indexed
    forget(ForgetRequest(("t0007",)), Settings(lake=home.uri), print)
    after = {index.name: index.num_rows_indexed for index in home.table(name).describe_indices()}
    assert after == dict.fromkeys(before, 118)
    earlier = at(home, release(home, 1).snapshot).table(name)
    assert (earlier.count_rows(), earlier.describe_indices()) == (119, [])
    assert not any(
        mark in home.files().cat_file(path) for path in files_of(home, name) if "/_transactions/" not in path
    )


def test_killed_on_its_way_writers_wait_and_it_is_finished(uri, tmp_path):
    home = small_lake(uri, commits=4)
    publish(home, draft(None, snapshot(home, SPEC), "a-run", "index"), print)
    run_id = "20260101T000001-bbbbbb"
    with Lease(home, embeddings_table(SPEC), run_id, print) as lease:
        committer = Committer(home, SPEC, lease, run_id, Settings())
        committer.add(batch(embedded("t0003", "2"), embedded("z-pending")))
        committer.flush()
    now = home.table(embeddings_table(SPEC)).to_table().sort_by("track_id")["track_id"].to_pylist()
    vectors = [embedded("t0003", version)["vector"] for version in "12"]
    for table in ("embeddings", "tracks"):
        process = start("--lake", uri, "forget", "--yes", "t0003")
        while table not in (line := process.stderr.readline()):
            assert line, "it ended before it was killed"
        kill_group(process)
    write_sound(tmp_path / "music" / "a.wav", 1)
    told = refused("--lake", uri, "--encoder", "fake", "index", tmp_path / "music")
    assert "is not finished: wait for it, or finish it with `tonelake forget`" in told
    assert "takedown" in {finding.check for finding in doctor(Settings(lake=uri))}
    run("--lake", uri, "forget", "--receipt", tmp_path / "receipt.json")
    receipt = json.loads((tmp_path / "receipt.json").read_text())
    assert receipt["tracks"] == ["t0003"]
    assert receipt["rows_left"] == 0 == len(receipt["files_left"])
    assert not any(holding(home, vector) for vector in vectors)
    assert "vector" not in (tmp_path / "receipt.json").read_text()
    now.remove("t0003")
    assert home.table(embeddings_table(SPEC)).to_table().sort_by("track_id")["track_id"].to_pylist() == now
    assert live(home).snapshot.tracks == 15


def test_what_cannot_be_done_is_said_in_a_line(tmp_path):
    home = small_lake(str(tmp_path / "lake"))
    assert "has no track nobody; nothing was removed" in refused("--lake", home.uri, "forget", "--yes", "nobody")
    assert "add --yes" in refused("--lake", home.uri, "forget", "t0003")
    assert "forget which tracks?" in refused("--lake", home.uri, "forget")
    (tmp_path / "there.json").touch()
    asked = ("--lake", home.uri, "forget", "--yes", "t0003", "--receipt", tmp_path / "there.json")
    assert "name another file" in refused(*asked)
    assert "t0003" in home.table("tracks").to_table()["track_id"].to_pylist()
    assert answer(home.uri, "doctor", encoder="fake") == []
