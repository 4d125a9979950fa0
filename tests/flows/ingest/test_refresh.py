"""A refresh: the lake becomes what its sources are, and only what needs it is decoded."""

import contextlib
import importlib
import os
import shutil

import lance
import pytest

import flows.ingest.refresh
import lake.storage.lease
from flows.ingest import sources
from flows.ingest.dry_run import estimate
from flows.ingest.refresh import RefreshRequest, would_refresh
from flows.ingest.report import IndexRequest
from flows.releases.promote import PromoteRequest, promote
from flows.search.search import find
from lake.catalogue.sources import remembered
from lake.releases.releases import live
from lake.storage.lease import Lease
from schemas.errors import UserError
from schemas.settings import Settings
from schemas.tables import embeddings_table
from tests.cli import answer, refused
from tests.flows.catalogue import NAMES, Catalogue, changes, here, write_sound
from workers.encoders.fake import SPEC


@pytest.fixture(params=["local"])
def made(request, tmp_path, monkeypatch):
    uri = str(tmp_path / "lake") if request.param == "local" else request.getfixturevalue("s3_bucket")
    made = Catalogue(tmp_path / "music", uri)
    here(made.decoded, monkeypatch)
    return made


class Killed(BaseException):
    """Ends a refresh between two commits."""


def change(music):
    """One of each: moved, touched, replaced, deleted, copied, new."""
    (music / "sub").mkdir()
    (music / "a.wav").rename(music / "sub" / "moved.wav")
    os.utime(music / "b.wav", (1, 1))
    write_sound(music / "c.wav", 100)
    (music / "d.wav").unlink()
    shutil.copy(music / "e.wav", music / "copy.wav")
    write_sound(music / "new.wav", 101)


@pytest.mark.parametrize("made", ["local", "s3"], indirect=True)
def test_the_lake_follows_its_folder(made):
    made.index()
    before = made.rows()
    assert changes(made.refresh()) == {}
    change(made.music)
    told = would_refresh(RefreshRequest(), Settings(lake=made.uri), print)
    report = made.refresh()
    expected = {"new": 2, "changed": 1, "touched": 1, "moved": 1, "vanished": 1, "hashed": 5}
    assert changes(report) == changes(told) == expected
    assert (told["encoders"][0]["would_embed"], report["encoders"][0]["embedded_now"]) == (3, 3)
    assert told["encoders"][0]["estimated_audio_seconds"] > 0
    assert told["encoders"][0]["basis"].startswith("600 x real time")
    assert made.decoded == ["c.wav", "copy.wav", "new.wav"]
    assert (report["encoders"][0]["expected"], report["encoders"][0]["embedded"]) == (11, 11)
    rows = made.rows()
    for was, name in (("a.wav", "moved.wav"), ("b.wav", "b.wav")):
        left = {"source_version": None}
        assert rows[name] | left == before[was] | left  # track_id, vector, run and all
    assert rows["copy.wav"]["track_id"] != rows["e.wav"]["track_id"]
    assert rows["copy.wav"]["vector"] == rows["e.wav"]["vector"]
    assert rows["c.wav"]["vector"] != before["c.wav"]["vector"]
    assert "d.wav" not in rows
    assert changes(made.refresh()) == {}
    assert made.decoded == []


def test_a_vanished_track_is_not_found_and_comes_back_as_it_was(made):
    made.index()
    before, seen = made.rows()["d.wav"], remembered(made.lake)[0]["last_listed_at"]
    (made.music / "d.wav").rename(made.music.parent / "elsewhere.wav")
    assert changes(made.refresh()) == {"vanished": 1}
    gone = made.registry()[before["track_id"]]
    assert (gone["state"], gone["last_seen"], made.kept()) == ("vanished", seen, 1)
    settings = Settings(lake=made.uri, encoder="fake")
    assert before["track_id"] not in [row["track_id"] for row in find(settings, text="x", k=20)]
    (made.music.parent / "elsewhere.wav").rename(made.music / "under another name.wav")
    report = made.refresh()
    assert changes(report) == {"moved": 1, "hashed": 1}
    assert made.decoded == []
    after = made.rows()["under another name.wav"]
    assert after | {"run_id": ""} == before | {"run_id": ""}
    assert (report["encoders"][0]["expected"], report["encoders"][0]["embedded"], made.kept()) == (10, 10, 0)


def test_an_index_too_takes_back_what_vanished_and_knows_moved_files(made):
    made.index()
    (made.music / "d.wav").rename(made.music.parent / "d.wav")
    (made.music / "a.wav").rename(made.music / "z.wav")
    assert changes(made.refresh()) == {"moved": 1, "vanished": 1, "hashed": 1}
    (made.music.parent / "d.wav").rename(made.music / "d.wav")
    told = estimate(IndexRequest((str(made.music),)), Settings(lake=made.uri, encoder="fake"))
    assert (told["would_embed"], told["estimated_audio_seconds"], told["core_seconds"]) == (1, 0, 0)
    report = made.index()
    assert (report.expected, report.embedded, report.new, report.audio_seconds) == (10, 10, 0, 0)
    assert made.decoded == []


def test_a_source_that_holds_nothing_yet(made, tmp_path):
    (tmp_path / "empty").mkdir()
    sources.add([str(tmp_path / "empty")], Settings(lake=made.uri))
    assert changes(made.refresh(encoder="fake")) == {}
    assert made.index().embedded == 10


def test_what_is_live_follows_though_it_is_not_kept_current(made, monkeypatch):
    made.index(made.manifest())
    shadow = made.index(made.music / "manifest.csv", windows=1)
    promote(PromoteRequest(shadow.embedding_version), Settings(lake=made.uri))
    lines = made.manifest(b="Another").read_text().splitlines(keepends=True)
    (made.music / "manifest.csv").write_text("".join(line for line in lines if not line.startswith("id-a")))
    monkeypatch.setattr(flows.ingest.refresh, "current_specs", lambda *_: [SPEC])  # the other is of an older tonelake
    assert changes(made.refresh()) == {"described": 1, "vanished": 1}
    found = {row["track_id"]: row["title"] for row in find(Settings(lake=made.uri), text="x", k=20)}
    assert (len(found), found["id-b"]) == (9, "Another")
    assert live(made.lake).snapshot.embedding_version == shadow.embedding_version


def test_what_a_manifest_says_reaches_rows_without_audio(made):
    made.index(made.manifest())
    vectors = {name: row["vector"] for name, row in made.rows().items()}
    made.manifest(a="Another", b="Song; or not")
    assert changes(made.refresh()) == {"described": 2}
    rows = made.rows()
    assert [rows[name]["title"] for name in ("a.wav", "b.wav", "c.wav")] == ["Another", "Song; or not", "Title c"]
    assert {name: row["vector"] for name, row in rows.items()} == vectors
    made.manifest(c="By index")
    made.index(made.music / "manifest.csv")
    assert made.rows()["c.wav"]["title"] == "By index"
    assert made.rows()["c.wav"]["genres"] == ["rock", "pop"]
    assert made.decoded == []


def test_every_version_follows_and_each_is_kept_current(made):
    made.index()
    made.index(windows=1)
    (made.music / "d.wav").unlink()
    (made.music / "a.wav").rename(made.music / "z.wav")
    write_sound(made.music / "new.wav", 60)
    assert [counts["embedded"] for counts in made.refresh()["encoders"]] == [10, 10]
    assert made.decoded == ["new.wav"]
    for spec in (SPEC, SPEC.limited(1)):
        assert sorted(made.rows(spec)) == sorted({*NAMES, "z.wav", "new.wav"} - {"a.wav", "d.wav"})
        assert made.kept(spec) == 1
    with pytest.raises(UserError, match=r"holds fake .*choose with --encoder"):
        made.refresh(encoder="musicnn")


def versions(made):
    return {name: made.lake.table(name).version for name in made.lake.names()}


def test_a_source_that_lost_much_changes_nothing_until_that_is_accepted(made):
    made.index()
    before = versions(made)
    for name in NAMES[:3]:
        (made.music / name).unlink()
    with pytest.raises(UserError, match=f"lost 3 of its 10 tracks.*--accept-loss {made.music}"):
        made.refresh()
    shutil.move(made.music, made.music.parent / "unmounted")
    with pytest.raises(UserError, match=f"no such source: {made.music}.*Nothing was changed.*--accept-loss"):
        made.refresh()
    assert versions(made) == before
    with pytest.raises(UserError, match="remembers no source /elsewhere"):
        made.refresh("/elsewhere")
    report = made.refresh(made.music)
    assert changes(report) == {"vanished": 10}
    assert (report["encoders"][0]["expected"], made.kept()) == (0, 10)
    assert find(Settings(lake=made.uri), text="x", k=20) == []
    shutil.move(made.music.parent / "unmounted", made.music)
    assert changes(made.refresh(made.music)) == {"returned": 7}
    assert made.decoded == []
    assert len(made.rows()) == 7


def test_a_manifest_whose_files_are_out_of_reach_stops_too(made):
    manifest = made.manifest()
    made.index(manifest)
    for name in NAMES[:3]:
        (made.music / name).unlink()
    with pytest.raises(UserError, match="lost 3 of its 10 tracks"):
        made.refresh()
    report = made.refresh(manifest)
    assert report["encoders"][0]["reasons"] == {"unreadable": 3}


def test_a_source_removed_takes_its_tracks_out_and_brings_them_back(made, tmp_path):
    other = tmp_path / "other"
    write_sound(other / "other.wav", 70)
    made.index()
    sources.add([str(other)], settings := Settings(lake=made.uri))
    assert changes(made.refresh()) == {"new": 1}
    assert [row["tracks"] for row in sources.listed(settings)] == [10, 1]
    assert sources.remove(str(made.music), settings) == 10
    assert list(made.rows()) == ["other.wav"]
    assert [row["uri"] for row in find(settings, text="x", k=20)] == [str(other / "other.wav")]
    assert set(made.states().values()) == {"active", "forgotten"}
    report = made.refresh()
    assert (changes(report), report["encoders"][0]["expected"]) == ({}, 1)
    sources.add([str(made.music)], settings)
    assert changes(made.refresh()) == {"returned": 10}
    assert made.decoded == []
    with pytest.raises(UserError, match="remembers no source /nowhere"):
        sources.remove("/nowhere", settings)
    with pytest.raises(UserError, match="no such source: /nowhere"):
        sources.add(["/nowhere"], settings)


def dying(monkeypatch, writes):
    """The refresh dies before the commit after `writes` of them; none of its own clean-up reaches the tables."""
    left = [writes]

    def counted(owner, name):
        real = getattr(owner, name)

        def call(*arguments, **named):
            left[0] -= 1
            if left[0] < 0:
                raise Killed
            return real(*arguments, **named)

        monkeypatch.setattr(owner, name, call)

    merges = importlib.import_module("lance.dataset").MergeInsertBuilder
    for owner, name in ((merges, "execute"), (merges, "execute_uncommitted"), (lance.LanceDataset, "delete")):
        counted(owner, name)
    return left


def test_a_refresh_killed_between_any_two_commits_is_finished_by_the_next(made, monkeypatch):
    made.index()
    (made.music / "j.wav").rename(made.music.parent / "j.wav")
    made.refresh()
    (made.music.parent / "j.wav").rename(made.music / "j.wav")  # comes back
    before = made.rows()
    change(made.music)
    shutil.copytree(made.uri, kept := f"{made.uri}-kept")
    for writes in range(100):
        shutil.rmtree(made.uri)
        shutil.copytree(kept, made.uri)
        with monkeypatch.context() as patch:
            left = dying(patch, writes)
            with contextlib.suppress(Killed):
                made.refresh()
            killed = left[0] < 0
        report = made.refresh()
        assert set(made.decoded) <= {"c.wav", "copy.wav", "new.wav"}, writes
        assert (report["encoders"][0]["expected"], report["encoders"][0]["embedded"]) == (11, 11), writes
        rows = made.rows()
        assert rows["moved.wav"]["track_id"] == before["a.wav"]["track_id"], writes
        assert (len(rows), made.kept()) == (11, 1), writes
        if not killed:
            break
    assert 12 < writes < 40, writes


def test_two_refreshes_at_once(made, monkeypatch):
    made.index()
    monkeypatch.setattr(lake.storage.lease, "HEARTBEAT_SECONDS", 0.1)
    with (
        Lease(made.lake, embeddings_table(SPEC), "the-first", print),
        pytest.raises(UserError, match=r"run the-first .* is writing embeddings__fake"),
    ):
        made.refresh()
    assert changes(made.refresh()) == {}


def test_the_commands(made):
    assert "remembers no source" in refused("--lake", made.uri, "refresh")
    (added,) = answer(made.uri, "sources", "add", made.music)
    assert (added["source"], added["tracks"]) == (str(made.music), None)
    told = answer(made.uri, "refresh", "--dry-run")
    assert (changes(told), told["encoders"][0]["would_embed"]) == ({"new": 10}, 10)
    assert made.lake.names() == {"sources"}
    made.index()
    report = answer(made.uri, "refresh")
    assert (changes(report), report["listed"], report["sources"]) == ({}, 10, [str(made.music)])
    shutil.rmtree(made.music)
    assert f"--accept-loss {made.music}" in refused("--lake", made.uri, "refresh")
    assert answer(made.uri, "refresh", "--accept-loss", made.music, "--dry-run")["vanished"] == 10
    assert answer(made.uri, "sources", "remove", made.music) == {"source": str(made.music), "forgotten": 10}
    assert answer(made.uri, "sources", "list") == []
