"""Where a takedown has to look beyond the rows of a table: indexes, facts, rows that are hidden, lakes beside."""

from datetime import timedelta

import pytest

from flows.console.progress import Watch
from flows.export.export import ExportRequest, export
from flows.export.neighbours import Neighbours, similar
from flows.ingest.index import index_catalogue
from flows.ingest.report import IndexRequest
from flows.operations.takedown import ForgetRequest, forget
from lake.benchmarks.results import corpus_lake
from lake.catalogue.tracks import register
from lake.embeddings.committer import Committer
from lake.embeddings.indexes import tend
from lake.maintenance.cleanup import files_of
from lake.releases.releases import draft, publish, snapshot
from lake.storage.lease import Lease
from lake.takedowns import takedowns
from schemas.errors import UserError
from schemas.settings import Settings
from schemas.tables import embeddings_table, features_table, windows_table
from tests.cli import refused
from tests.flows.catalogue import Catalogue, here
from tests.flows.operations.test_takedown import holding
from tests.lake.rows import SPEC, batch, embedded, listing, small_lake

NAME = embeddings_table(SPEC)


@pytest.fixture
def home(tmp_path):
    return small_lake(str(tmp_path / "lake"))


def write(home, *rows):
    register(home, listing([row["track_id"] for row in rows], rows[0]["source_version"]))
    with Lease(home, NAME, "a-run", print) as lease:
        committer = Committer(home, SPEC, lease, "a-run", Settings())
        committer.add(batch(*rows))
        committer.flush()


def taken_down(home, *tracks, **asked):
    return forget(ForgetRequest(tracks, **asked), Settings(lake=home.uri), print)


def maintained(home):
    for name in home.names():
        home.table(name).cleanup_old_versions(timedelta(0), delete_unverified=True)


def test_an_index_of_rows_whose_files_are_gone_goes_too(home, monkeypatch):
    monkeypatch.setattr("lake.embeddings.indexes.VECTOR_INDEX_ROWS", 10)
    write(home, embedded("alone", artist="Nobody Else"))
    tend(home, SPEC)
    home.table(NAME).delete("track_id = 'alone'")
    maintained(home)

    def indexes(mark):
        return [path for path in files_of(home, NAME) if "/_indices/" in path and mark in home.files().cat_file(path)]

    assert indexes(b"alone")
    assert indexes(b"Nobody Else")
    assert taken_down(home, "alone").is_clean
    assert not indexes(b"alone")
    assert not indexes(b"Nobody Else")
    assert "vector_idx" in {index.name for index in home.table(NAME).describe_indices()}


def test_facts_of_what_a_file_held_before_it_changed_go_too(home):
    write(home, embedded("t0003", "2"))
    maintained(home)
    contents = home.table("audio_facts").to_table()["content_sha256"].to_pylist()
    assert {"t0003-1", "t0003-2"} < {*contents}
    taken_down(home, "t0003")
    left = home.table("audio_facts").to_table()["content_sha256"].to_pylist()
    assert sorted(left) == sorted({*contents} - {"t0003-1", "t0003-2"})


def test_refused_content_is_gone_also_where_another_track_held_it_once(home):
    write(home, embedded("t0003") | {"track_id": "twin"}, embedded("beside"))
    write(home, embedded("twin", "2", features=embedded("other")["features"]))
    sought = {
        NAME: embedded("t0003")["vector"],
        features_table(SPEC): embedded("t0003")["features"],
        windows_table(SPEC): embedded("t0003")["window_vectors"][0],
    }
    assert all(holding(home, vector) for vector in sought.values())
    assert taken_down(home, "t0003", content=True).is_clean
    assert not any(holding(home, vector) for vector in sought.values())
    assert "twin" in home.table(NAME).to_table()["track_id"].to_pylist()


def test_a_lake_whose_every_track_goes(home, tmp_path):
    publish(home, draft(None, snapshot(home, SPEC), "a-run", "index"), print)
    settings, out = Settings(lake=home.uri), tmp_path / "out"
    for form in ("parquet", "npy", "faiss"):
        export(ExportRequest(str(out / form), format=form), settings, print)
    export(ExportRequest(str(out / "unreleased"), embedding_version=SPEC.embedding_version), settings, print)
    similar(Neighbours(str(out / "similar.parquet"), 3), settings, print)
    receipt = taken_down(home, *home.table("tracks").to_table()["track_id"].to_pylist())
    assert receipt.is_clean
    states = {one.uri.rsplit("/", 1)[1]: one.state for one in receipt.exports}
    assert states == dict.fromkeys(("parquet", "npy", "faiss", "similar.parquet"), "written anew") | {
        "unreleased": "removed"
    }
    assert not (out / "unreleased").exists()


def test_without_a_takedown_there_is_none_to_finish(home, tmp_path):
    export(
        ExportRequest(str(tmp_path / "out"), embedding_version=SPEC.embedding_version), Settings(lake=home.uri), print
    )
    with pytest.raises(UserError, match="forget which tracks"):
        taken_down(home)


def test_its_reason_is_kept_when_it_is_asked_for_again(home):
    taken_down(home, "t0003", reason="a letter of 3 May")
    again = taken_down(home, "t0003")
    assert takedowns.of_run(home, again.run_id)[2] == "a letter of 3 May"


def test_a_receipt_that_cannot_be_written_is_said_before_anything_goes(home, tmp_path):
    asked = ("--lake", home.uri, "forget", "--yes", "t0003", "--receipt", tmp_path / "nowhere" / "receipt.json")
    assert "cannot write a receipt into" in refused(*asked)
    assert "t0003" in home.table("tracks").to_table()["track_id"].to_pylist()


def test_lakes_beside_refuse_it_too(tmp_path, monkeypatch):
    made = Catalogue(tmp_path / "music", str(tmp_path / "lake"))
    here(made.decoded, monkeypatch)
    made.index()
    beside = corpus_lake(made.lake, "clips@1")
    request, settings = IndexRequest((str(made.music),)), Settings(lake=beside.uri, encoder="fake")
    index_catalogue(request, settings, Watch(), main=made.lake)
    gone = made.rows()["a.wav"]
    forget(ForgetRequest((gone["track_id"],), content=True), Settings(lake=made.uri), print)
    clip = made.music / "another name.wav"
    clip.write_bytes((made.music / "a.wav").read_bytes())
    (report,) = index_catalogue(request, settings, Watch(), main=made.lake)
    assert report.reasons == {"taken_down": 1}
    assert report.expected == 10
    assert not holding(beside, gone["vector"])
