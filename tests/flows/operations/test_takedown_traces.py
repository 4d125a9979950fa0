"""Traces of a track beyond the rows of a table: indexes, audio facts, deleted rows, lakes of benchmarks."""

from datetime import timedelta

import pytest
from lance.file import LanceFileReader

from flows.console.progress import ProgressReporter
from flows.export.export import ExportRequest, write_export
from flows.ingest.index import index_catalogue
from flows.ingest.report import IndexRequest
from flows.operations.doctor import examine_lakes
from flows.operations.takedown import TakedownRequest, take_down
from lake.benchmarks.results import corpus_lake
from lake.catalogue.tracks import register_tracks
from lake.embeddings.committer import Committer
from lake.embeddings.indexes import compact_and_index
from lake.maintenance.cleanup import table_files
from lake.releases.publish import draft, publish
from lake.releases.releases import take_snapshot
from lake.storage.lease import Lease
from lake.takedowns import takedowns
from schemas.errors import UserError
from schemas.settings import Settings
from schemas.tables import embeddings_table, features_table, windows_table
from tests.cli import error_line
from tests.flows.catalogue import ChangingCatalogue, run_in_process
from tests.flows.operations.test_takedown import files_with
from tests.lake.rows import SPEC, embedded_row, make_listing, make_small_lake, outcome_batch

NAME = embeddings_table(SPEC)


@pytest.fixture
def home(tmp_path):
    return make_small_lake(str(tmp_path / "lake"))


def write_outcomes(home, *rows):
    register_tracks(home, make_listing([row["track_id"] for row in rows], rows[0]["source_version"]))
    with Lease(home, NAME, "a-run", print) as lease:
        committer = Committer(home, SPEC, lease, "a-run", Settings())
        committer.add(outcome_batch(*rows))
        committer.flush()


def take_down_tracks(home, *tracks, **options):
    return take_down(TakedownRequest(tracks, **options), Settings(lake=home.uri), print)


def drop_old_versions(home):
    for name in home.table_names():
        home.table(name).cleanup_old_versions(timedelta(0), delete_unverified=True)


def test_an_index_of_deleted_rows_is_erased_too(home, monkeypatch):
    monkeypatch.setattr("lake.embeddings.indexes.VECTOR_INDEX_ROWS", 10)
    write_outcomes(home, embedded_row("single", artist="Nobody Else"))
    compact_and_index(home, SPEC)
    home.table(NAME).delete("track_id = 'single'")
    drop_old_versions(home)

    def indexes(mark):
        return [
            path
            for path in table_files(home, NAME)
            if "/_indices/" in path and mark in home.file_system().cat_file(path)
        ]

    assert indexes(b"single")
    assert indexes(b"Nobody Else")
    assert take_down_tracks(home, "single").is_clean
    assert not indexes(b"single")
    assert not indexes(b"Nobody Else")
    assert "vector_idx" in {index.name for index in home.table(NAME).describe_indices()}


def test_no_word_of_a_title_is_left_in_a_full_text_index(home, monkeypatch):
    monkeypatch.setattr("lake.embeddings.indexes.NAME_INDEX_ROWS", 10)
    write_outcomes(home, embedded_row("single", title="Zanzibar Zephyr", artist="Qwertz"))
    write_outcomes(home, embedded_row("gone", title="Xylophage"))
    compact_and_index(home, SPEC)
    publish(home, draft(None, take_snapshot(home, SPEC), "a-run", "index"), print)
    write_outcomes(home, embedded_row("single", "2", title="Quagmire", artist="Qwertz"))  # a new title of another file
    compact_and_index(home, SPEC)
    home.table(NAME).delete("track_id = 'gone'")
    assert sum(indexed_words(home)) > 12 + 5  # of the other titles, and of these two
    assert take_down_tracks(home, "single", "gone").is_clean
    assert [*filter(None, indexed_words(home))] == [12, 12]  # of the other titles: now, and in the release
    for mark in (b"Zanzibar", b"zanzibar", b"Qwertz", b"qwertz", b"Quagmire", b"Xylophage"):
        assert not [path for path in table_files(home, NAME) if mark in home.file_system().cat_file(path)]


def indexed_words(home):
    """Return how many words each file of a full-text index has.

    Lance keeps the words as an automaton, in which no search of bytes finds them.
    """
    files = [path for path in table_files(home, NAME) if path.endswith("_tokens.lance")]
    return sorted(LanceFileReader(path).read_all().to_table()["_token_next_id"][0].as_py() for path in files)


def test_audio_facts_of_earlier_contents_are_erased_too(home):
    write_outcomes(home, embedded_row("t0003", "2"))
    drop_old_versions(home)
    contents = home.table("audio_facts").to_table()["content_sha256"].to_pylist()
    assert {"t0003-1", "t0003-2"} < {*contents}
    take_down_tracks(home, "t0003")
    remaining = home.table("audio_facts").to_table()["content_sha256"].to_pylist()
    assert sorted(remaining) == sorted({*contents} - {"t0003-1", "t0003-2"})


def test_refused_content_is_erased_even_if_another_track_once_had_it(home):
    write_outcomes(home, embedded_row("t0003") | {"track_id": "twin"}, embedded_row("beside"))
    write_outcomes(home, embedded_row("twin", "2", features=embedded_row("other")["features"]))
    vectors = {
        NAME: embedded_row("t0003")["vector"],
        features_table(SPEC): embedded_row("t0003")["features"],
        windows_table(SPEC): embedded_row("t0003")["window_vectors"][0],
    }
    assert all(files_with(home, vector) for vector in vectors.values())
    assert take_down_tracks(home, "t0003", content=True).is_clean
    assert not any(files_with(home, vector) for vector in vectors.values())
    assert "twin" in home.table(NAME).to_table()["track_id"].to_pylist()


def test_every_track_of_a_lake_can_be_taken_down(home, tmp_path):
    publish(home, draft(None, take_snapshot(home, SPEC), "a-run", "index"), print)
    settings, out = Settings(lake=home.uri), tmp_path / "out"
    for form in ("parquet", "npy", "faiss", "neighbours"):
        write_export(ExportRequest(str(out / form), format=form), settings, print)
    write_export(ExportRequest(str(out / "unreleased"), embedding_version=SPEC.embedding_version), settings, print)
    receipt = take_down_tracks(home, *home.table("tracks").to_table()["track_id"].to_pylist())
    assert receipt.is_clean
    states = {export.uri.rsplit("/", 1)[1]: export.state for export in receipt.exports}
    assert states == dict.fromkeys(("parquet", "npy", "faiss", "neighbours"), "written anew") | {
        "unreleased": "removed"
    }
    assert not (out / "unreleased").exists()


def test_without_a_takedown_there_is_none_to_finish(home, tmp_path):
    write_export(
        ExportRequest(str(tmp_path / "out"), embedding_version=SPEC.embedding_version), Settings(lake=home.uri), print
    )
    with pytest.raises(UserError, match="take down which tracks"):
        take_down_tracks(home)


def test_a_repeated_takedown_keeps_the_reason(home):
    take_down_tracks(home, "t0003", reason="a letter of 3 May")
    repeated = take_down_tracks(home, "t0003")
    assert takedowns.read_takedown(home, repeated.run_id).reason == "a letter of 3 May"


def test_rows_of_a_writer_that_stood_still_are_named_and_the_same_takedown_removes_them(home):
    """A writer whose lease a takedown took may still make one last commit."""
    row = home.table("tracks").to_table(filter="track_id = 't0003'")
    embedded = home.table(NAME).to_table(filter="track_id = 't0003'")
    take_down_tracks(home, "t0003")
    home.upsert("tracks", row.schema, row)
    home.upsert(NAME, embedded.schema, embedded)
    settings = Settings(lake=home.uri)
    named = {(finding.table, finding.run) for finding in examine_lakes(settings) if finding.check == "takedown"}
    assert named == {(name, "tonelake takedown t0003") for name in ("tracks", NAME)}
    receipt = take_down_tracks(home, "t0003")
    assert receipt.is_clean
    assert {record.table: record.rows for record in receipt.tables} == {"tracks": 1, NAME: 1}
    assert examine_lakes(settings) == []


def test_an_unwritable_receipt_is_refused_before_anything_is_removed(home, tmp_path):
    arguments = ("--lake", home.uri, "takedown", "--yes", "t0003", "--receipt", tmp_path / "nowhere" / "receipt.json")
    assert "cannot write a receipt into" in error_line(*arguments)
    assert "t0003" in home.table("tracks").to_table()["track_id"].to_pylist()


def test_lakes_of_benchmarks_refuse_it_too(tmp_path, monkeypatch):
    catalogue = ChangingCatalogue(tmp_path / "music", str(tmp_path / "lake"))
    run_in_process(catalogue.decoded, monkeypatch)
    catalogue.index()
    corpus = corpus_lake(catalogue.lake, "clips@1")
    request, settings = IndexRequest((str(catalogue.music),)), Settings(lake=corpus.uri, encoder="fake")
    index_catalogue(request, settings, ProgressReporter(), main=catalogue.lake)
    removed = catalogue.rows()["a.wav"]
    take_down(TakedownRequest((removed["track_id"],), content=True), Settings(lake=catalogue.uri), print)
    clip = catalogue.music / "another name.wav"
    clip.write_bytes((catalogue.music / "a.wav").read_bytes())
    (report,) = index_catalogue(request, settings, ProgressReporter(), main=catalogue.lake)
    assert report.coverage.reasons == {"taken_down": 1}
    assert report.coverage.expected == 10
    assert not files_with(corpus, removed["vector"])
