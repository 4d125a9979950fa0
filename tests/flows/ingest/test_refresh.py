"""A refresh brings the lake up to date with its sources and decodes only new and changed files."""

import contextlib
import importlib
import os
import shutil

import lance
import pytest

import flows.ingest.refresh
import lake.storage.lease
from flows.ingest import sources
from flows.ingest.dry_run import estimates
from flows.ingest.refresh import RefreshRequest, preview_refresh
from flows.ingest.report import IndexRequest
from flows.releases.promote import PromoteRequest, promote
from flows.search.search import search
from lake.catalogue.sources import registered_sources
from lake.releases.releases import live_release
from lake.storage.lease import Lease
from schemas.errors import UserError
from schemas.settings import Settings
from schemas.tables import embeddings_table
from tests.cli import error_line, run_json
from tests.flows.catalogue import NAMES, ChangingCatalogue, nonzero_changes, run_in_process, write_sound
from workers.encoders.fake import SPEC


@pytest.fixture(params=["local"])
def catalogue(request, tmp_path, monkeypatch):
    uri = str(tmp_path / "lake") if request.param == "local" else request.getfixturevalue("s3_bucket")
    catalogue = ChangingCatalogue(tmp_path / "music", uri)
    run_in_process(catalogue.decoded, monkeypatch)
    return catalogue


class Killed(BaseException):
    """Ends a refresh between two commits."""


def change(music):
    """Move, touch, replace, delete, copy and add one file each."""
    (music / "sub").mkdir()
    (music / "a.wav").rename(music / "sub" / "moved.wav")
    os.utime(music / "b.wav", (1, 1))
    write_sound(music / "c.wav", 100)
    (music / "d.wav").unlink()
    shutil.copy(music / "e.wav", music / "copy.wav")
    write_sound(music / "new.wav", 101)


@pytest.mark.parametrize("catalogue", ["local", "s3"], indirect=True)
def test_the_lake_follows_its_folder(catalogue):
    catalogue.index()
    before = catalogue.rows()
    assert nonzero_changes(catalogue.refresh()) == {}
    change(catalogue.music)
    preview = preview_refresh(RefreshRequest(), Settings(lake=catalogue.uri), print)
    report = catalogue.refresh()
    expected = {"new": 2, "changed": 1, "touched": 1, "moved": 1, "vanished": 1, "hashed": 5}
    assert nonzero_changes(report) == nonzero_changes(preview) == expected
    assert (preview.encoders[0].would_embed, report.encoders[0].embedded_now) == (3, 3)
    assert preview.encoders[0].cost.estimated_audio_seconds > 0
    assert preview.encoders[0].cost.basis.startswith("600 x real time")
    assert catalogue.decoded == ["c.wav", "copy.wav", "new.wav"]
    assert (report.encoders[0].coverage.expected, report.encoders[0].coverage.embedded) == (11, 11)
    rows = catalogue.rows()
    for old_name, name in (("a.wav", "moved.wav"), ("b.wav", "b.wav")):
        ignored = {"source_version": None}
        assert rows[name] | ignored == before[old_name] | ignored  # track_id, vector, run_id and the rest
    assert rows["copy.wav"]["track_id"] != rows["e.wav"]["track_id"]
    assert rows["copy.wav"]["vector"] == rows["e.wav"]["vector"]
    assert rows["c.wav"]["vector"] != before["c.wav"]["vector"]
    assert "d.wav" not in rows
    assert nonzero_changes(catalogue.refresh()) == {}
    assert catalogue.decoded == []


def test_a_vanished_track_leaves_the_search_and_comes_back_unchanged(catalogue):
    catalogue.index()
    before, seen = catalogue.rows()["d.wav"], registered_sources(catalogue.lake)[0].last_listed_at
    (catalogue.music / "d.wav").rename(catalogue.music.parent / "elsewhere.wav")
    assert nonzero_changes(catalogue.refresh()) == {"vanished": 1}
    gone = catalogue.registry()[before["track_id"]]
    assert (gone["state"], gone["last_seen"], catalogue.count_vanished_rows()) == ("vanished", seen, 1)
    settings = Settings(lake=catalogue.uri, encoder="fake")
    assert before["track_id"] not in [hit.track_id for hit in search(settings, text="x", k=20)]
    (catalogue.music.parent / "elsewhere.wav").rename(catalogue.music / "under another name.wav")
    report = catalogue.refresh()
    assert nonzero_changes(report) == {"moved": 1, "hashed": 1}
    assert catalogue.decoded == []
    after = catalogue.rows()["under another name.wav"]
    assert after | {"run_id": ""} == before | {"run_id": ""}
    counts = report.encoders[0].coverage
    assert (counts.expected, counts.embedded, catalogue.count_vanished_rows()) == (10, 10, 0)


def test_an_index_run_also_restores_vanished_tracks_and_recognises_moved_files(catalogue):
    catalogue.index()
    (catalogue.music / "d.wav").rename(catalogue.music.parent / "d.wav")
    (catalogue.music / "a.wav").rename(catalogue.music / "z.wav")
    assert nonzero_changes(catalogue.refresh()) == {"moved": 1, "vanished": 1, "hashed": 1}
    (catalogue.music.parent / "d.wav").rename(catalogue.music / "d.wav")
    plan = estimates(IndexRequest((str(catalogue.music),)), Settings(lake=catalogue.uri, encoder="fake"), print)[0]
    assert (plan.would_embed, plan.cost.estimated_audio_seconds, plan.cost.core_seconds) == (1, 0, 0)
    report = catalogue.index()
    assert (report.coverage.expected, report.coverage.embedded, report.new, report.audio_seconds) == (10, 10, 0, 0)
    assert catalogue.decoded == []


def test_an_empty_source(catalogue, tmp_path):
    (tmp_path / "empty").mkdir()
    sources.add([str(tmp_path / "empty")], Settings(lake=catalogue.uri))
    assert nonzero_changes(catalogue.refresh(encoder="fake")) == {}
    assert catalogue.index().coverage.embedded == 10


def test_the_live_version_follows_the_sources_even_if_it_is_not_kept_current(catalogue, monkeypatch):
    catalogue.index(catalogue.manifest())
    shadow = catalogue.index(catalogue.music / "manifest.csv", max_windows=1)
    promote(PromoteRequest(shadow.embedding_version), Settings(lake=catalogue.uri))
    lines = catalogue.manifest(b="Another").read_text().splitlines(keepends=True)
    (catalogue.music / "manifest.csv").write_text("".join(line for line in lines if not line.startswith("id-a")))
    monkeypatch.setattr(flows.ingest.refresh, "current_specs", lambda *_: [SPEC])  # the other is of an older tonelake
    assert nonzero_changes(catalogue.refresh()) == {"described": 1, "vanished": 1}
    titles = {hit.track_id: hit.title for hit in search(Settings(lake=catalogue.uri), text="x", k=20)}
    assert (len(titles), titles["id-b"]) == (9, "Another")
    assert live_release(catalogue.lake).snapshot.embedding_version == shadow.embedding_version


def test_new_metadata_reaches_the_rows_without_decoding(catalogue):
    catalogue.index(catalogue.manifest())
    vectors = {name: row["vector"] for name, row in catalogue.rows().items()}
    catalogue.manifest(a="Another", b="Song; or not")
    assert nonzero_changes(catalogue.refresh()) == {"described": 2}
    rows = catalogue.rows()
    assert [rows[name]["title"] for name in ("a.wav", "b.wav", "c.wav")] == ["Another", "Song; or not", "Title c"]
    assert {name: row["vector"] for name, row in rows.items()} == vectors
    catalogue.manifest(c="By index")
    catalogue.index(catalogue.music / "manifest.csv")
    assert catalogue.rows()["c.wav"]["title"] == "By index"
    assert catalogue.rows()["c.wav"]["genres"] == ["rock", "pop"]
    assert catalogue.decoded == []


def test_every_version_is_kept_current(catalogue):
    catalogue.index()
    catalogue.index(max_windows=1)
    (catalogue.music / "d.wav").unlink()
    (catalogue.music / "a.wav").rename(catalogue.music / "z.wav")
    write_sound(catalogue.music / "new.wav", 60)
    assert [encoder.coverage.embedded for encoder in catalogue.refresh().encoders] == [10, 10]
    assert catalogue.decoded == ["new.wav"]
    for spec in (SPEC, SPEC.with_max_windows(1)):
        assert sorted(catalogue.rows(spec)) == sorted({*NAMES, "z.wav", "new.wav"} - {"a.wav", "d.wav"})
        assert catalogue.count_vanished_rows(spec) == 1
    with pytest.raises(UserError, match=r"holds fake .*choose with --encoder"):
        catalogue.refresh(encoder="musicnn")


def versions(catalogue):
    return {name: catalogue.lake.table(name).version for name in catalogue.lake.table_names()}


def test_a_source_that_lost_many_tracks_changes_nothing_until_the_loss_is_accepted(catalogue):
    catalogue.index()
    before = versions(catalogue)
    for name in NAMES[:3]:
        (catalogue.music / name).unlink()
    with pytest.raises(UserError, match=f"lost 3 of its 10 tracks.*--accept-loss {catalogue.music}"):
        catalogue.refresh()
    shutil.move(catalogue.music, catalogue.music.parent / "unmounted")
    with pytest.raises(UserError, match=f"no such source: {catalogue.music}.*Nothing was changed.*--accept-loss"):
        catalogue.refresh()
    assert versions(catalogue) == before
    with pytest.raises(UserError, match="has no source /elsewhere"):
        catalogue.refresh("/elsewhere")
    report = catalogue.refresh(catalogue.music)
    assert nonzero_changes(report) == {"vanished": 10}
    assert (report.encoders[0].coverage.expected, catalogue.count_vanished_rows()) == (0, 10)
    assert search(Settings(lake=catalogue.uri), text="x", k=20) == []
    shutil.move(catalogue.music.parent / "unmounted", catalogue.music)
    assert nonzero_changes(catalogue.refresh(catalogue.music)) == {"returned": 7}
    assert catalogue.decoded == []
    assert len(catalogue.rows()) == 7


def test_a_manifest_whose_files_are_missing_stops_the_refresh_too(catalogue):
    manifest = catalogue.manifest()
    catalogue.index(manifest)
    for name in NAMES[:3]:
        (catalogue.music / name).unlink()
    with pytest.raises(UserError, match="lost 3 of its 10 tracks"):
        catalogue.refresh()
    report = catalogue.refresh(manifest)
    assert report.encoders[0].coverage.reasons == {"unreadable": 3}


def test_removing_and_adding_a_source_removes_and_restores_its_tracks(catalogue, tmp_path):
    other = tmp_path / "other"
    write_sound(other / "other.wav", 70)
    catalogue.index()
    sources.add([str(other)], settings := Settings(lake=catalogue.uri))
    assert nonzero_changes(catalogue.refresh()) == {"new": 1}
    assert [source.tracks for source in sources.read_sources(settings)] == [10, 1]
    assert sources.remove(str(catalogue.music), settings) == 10
    assert list(catalogue.rows()) == ["other.wav"]
    assert [hit.uri for hit in search(settings, text="x", k=20)] == [str(other / "other.wav")]
    assert set(catalogue.states().values()) == {"active", "removed"}
    report = catalogue.refresh()
    assert (nonzero_changes(report), report.encoders[0].coverage.expected) == ({}, 1)
    sources.add([str(catalogue.music)], settings)
    assert nonzero_changes(catalogue.refresh()) == {"returned": 10}
    assert catalogue.decoded == []
    with pytest.raises(UserError, match="has no source /nowhere"):
        sources.remove("/nowhere", settings)
    with pytest.raises(UserError, match="no such source: /nowhere"):
        sources.add(["/nowhere"], settings)


def kill_after_commits(monkeypatch, writes):
    """Kill the refresh before its next commit after `writes` of them; its clean-up reaches no table either."""
    remaining = [writes]

    def count_calls(owner, name):
        real = getattr(owner, name)

        def call(*arguments, **named):
            remaining[0] -= 1
            if remaining[0] < 0:
                raise Killed
            return real(*arguments, **named)

        monkeypatch.setattr(owner, name, call)

    merges = importlib.import_module("lance.dataset").MergeInsertBuilder
    for owner, name in ((merges, "execute"), (merges, "execute_uncommitted"), (lance.LanceDataset, "delete")):
        count_calls(owner, name)
    return remaining


def test_the_next_refresh_finishes_one_killed_between_any_two_commits(catalogue, monkeypatch):
    catalogue.index()
    (catalogue.music / "j.wav").rename(catalogue.music.parent / "j.wav")
    catalogue.refresh()
    (catalogue.music.parent / "j.wav").rename(catalogue.music / "j.wav")  # comes back
    before = catalogue.rows()
    change(catalogue.music)
    shutil.copytree(catalogue.uri, backup := f"{catalogue.uri}-backup")
    for writes in range(100):
        shutil.rmtree(catalogue.uri)
        shutil.copytree(backup, catalogue.uri)
        with monkeypatch.context() as patch:
            remaining = kill_after_commits(patch, writes)
            with contextlib.suppress(Killed):
                catalogue.refresh()
        report = catalogue.refresh()
        assert set(catalogue.decoded) <= {"c.wav", "copy.wav", "new.wav"}, writes
        assert (report.encoders[0].coverage.expected, report.encoders[0].coverage.embedded) == (11, 11), writes
        rows = catalogue.rows()
        assert rows["moved.wav"]["track_id"] == before["a.wav"]["track_id"], writes
        assert (len(rows), catalogue.count_vanished_rows()) == (11, 1), writes
        if remaining[0] >= 0:  # not killed: every commit was reached
            break
    assert 12 < writes < 40, writes


def test_two_refreshes_at_once(catalogue, monkeypatch):
    catalogue.index()
    monkeypatch.setattr(lake.storage.lease, "HEARTBEAT_SECONDS", 0.1)
    with (
        Lease(catalogue.lake, embeddings_table(SPEC), "the-first", print),
        pytest.raises(UserError, match=r"run the-first .* is writing embeddings__fake"),
    ):
        catalogue.refresh()
    assert nonzero_changes(catalogue.refresh()) == {}


def test_the_commands(catalogue):
    assert "has no sources" in error_line("--lake", catalogue.uri, "refresh")
    (added,) = run_json(catalogue.uri, "sources", "add", catalogue.music)
    assert (added["source"], added["tracks"]) == (str(catalogue.music), None)
    preview = run_json(catalogue.uri, "refresh", "--dry-run")
    assert (nonzero_changes(preview), preview["encoders"][0]["would_embed"]) == ({"new": 10}, 10)
    assert catalogue.lake.table_names() == {"sources"}
    catalogue.index()
    report = run_json(catalogue.uri, "refresh")
    assert (nonzero_changes(report), report["listed"], report["sources"]) == ({}, 10, [str(catalogue.music)])
    shutil.rmtree(catalogue.music)
    assert f"--accept-loss {catalogue.music}" in error_line("--lake", catalogue.uri, "refresh")
    assert run_json(catalogue.uri, "refresh", "--accept-loss", catalogue.music, "--dry-run")["vanished"] == 10
    assert run_json(catalogue.uri, "sources", "remove", catalogue.music) == {
        "source": str(catalogue.music),
        "removed": 10,
    }
    assert run_json(catalogue.uri, "sources", "list") == []
