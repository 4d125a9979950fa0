"""Queries of several parts, and readers that stay open while the lake changes."""

from dataclasses import replace

import lance
import numpy as np
import pyarrow as pa
import pytest

from flows.operations.takedown import TakedownRequest, take_down
from flows.search import reader as reader_module
from flows.search.blend import Blend
from flows.search.engine import answer
from flows.search.parts import parse_part
from flows.search.reader import open_reader
from lake.embeddings.filters import Filter, PassingRows
from lake.releases.publish import draft, publish
from lake.releases.releases import live_release, take_snapshot
from lake.storage.held_tables import HeldTables
from lake.storage.lake import Lake
from schemas.errors import UserError
from schemas.rights import RightsFilter
from schemas.search import Query, QueryPart, SearchFilters
from schemas.settings import Settings
from schemas.tables import embeddings_table
from schemas.tracks import TRACKS
from tests.cli import error_line
from tests.lake.rows import SPEC, make_small_lake


@pytest.fixture
def lake(tmp_path) -> Lake:
    lake = make_small_lake(str(tmp_path / "lake"), commits=1, tracks=20)
    publish(lake, draft(None, take_snapshot(lake, SPEC), "run", "index"), print)
    return lake


def like(name, weight=1.0):
    return QueryPart("track", name, weight)


def vectors(lake):
    rows = lake.table(embeddings_table(SPEC)).to_table(columns=["track_id", "vector"]).to_pylist()
    return {row["track_id"]: np.array(row["vector"]) for row in rows}


def test_tracks_of_a_query_are_joined_by_their_weights_and_left_out(lake):
    hits = answer(open_reader(Settings(lake=lake.uri)), Query((like("t0003"), like("t0007", 0.5)), k=100)).hits
    known = vectors(lake)
    matrix = np.stack(list(known.values())).astype(np.float32)
    blend = Blend.of([known["t0003"], known["t0007"]], [1, 0.5], matrix)
    scores = dict(zip(known, blend.score(matrix), strict=True))
    expected = sorted(known.keys() - {"t0003", "t0007"}, key=scores.__getitem__, reverse=True)
    assert [hit.track_id for hit in hits] == expected
    assert [hit.score for hit in hits] == pytest.approx([scores[name] for name in expected], abs=1e-5)


@pytest.mark.parametrize("weight", [1.0, 0.2])
def test_one_part_that_counts_scores_by_its_cosine(lake, weight):
    reader, known = open_reader(Settings(lake=lake.uri)), vectors(lake)
    for sign in (1, -1):
        hits = answer(reader, Query((like("t0003", sign * weight), like("t0007", 0)), k=3)).hits
        assert [hit.score for hit in hits] == pytest.approx(
            [sign * float(known[hit.track_id] @ known["t0003"]) for hit in hits], abs=1e-3
        )
    assert "ordinary_vectors" not in vars(reader)


def test_a_filter_comes_before_a_blend(lake):
    """Candidates that fail the filter take nobody's place."""
    parts = (like("t0003"), like("t0007"), like("t0011", -0.5))
    reader = open_reader(Settings(lake=lake.uri))
    everything = [hit.track_id for hit in answer(reader, Query(parts, k=100)).hits]
    filtered = answer(reader, Query(parts, SearchFilters(where="track_id >= 't0015'"), k=3)).hits
    assert [hit.track_id for hit in filtered] == [name for name in everything if name >= "t0015"][:3]


def test_a_blend_of_which_no_track_passes_the_filter_finds_nothing(lake):
    query = Query((like("t0003"), like("t0007")), SearchFilters(where="track_id = 'none'"))
    assert answer(open_reader(Settings(lake=lake.uri)), query).hits == []


def test_a_lake_without_tracks_says_nothing_of_ordinary_ones():
    vectors = np.eye(3, dtype=np.float32)[:2]
    blend = Blend.of([*vectors], [1, -1], np.zeros((0, 3), np.float32))
    assert np.linalg.norm(blend.vector) == pytest.approx(1)
    assert np.isfinite(blend.score(vectors)).all()


@pytest.mark.parametrize(
    ("option", "typed", "part"),
    [
        ("text", "songs: 4", QueryPart("text", "songs: 4")),
        ("also", "harp:0.5", QueryPart("text", "harp", 0.5)),
        ("not", "vocals", QueryPart("text", "vocals", -1)),
        ("not", "vocals:.3", QueryPart("text", "vocals", -0.3)),
        ("like", "s3://bucket/a.wav", QueryPart("track", "s3://bucket/a.wav")),
        ("like", "a:b:-0.25", QueryPart("track", "a:b", -0.25)),
        ("unlike", "t1:1", QueryPart("track", "t1", -1)),
        ("audio", "/m/a.wav:0.1", QueryPart("file", "/m/a.wav", 0.1)),
    ],
)
def test_parts_as_people_type_them(option, typed, part):
    assert parse_part(option, typed) == part


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--like", "t0003:2"), "the weight 2 of 't0003' is out of range: give one from -1 to 1"),
        (("--unlike", "t0003:-1"), "--unlike 't0003:-1': its weight counts against a hit already"),
        (("--not", "  "), "an empty text finds nothing"),
        (("--like", "t0003:0", "--like", "t0004:0"), "every weight is 0: give a part of the query another one"),
        ((), "search for what? Give TEXT, --like TRACK_or_FILE"),
    ],
)
def test_a_wrong_part_is_one_line(lake, arguments, message):
    assert message in error_line("--lake", lake.uri, "--encoder", "fake", "search", *arguments)


def test_a_reader_sees_a_new_release_after_a_refresh(lake):
    reader = open_reader(Settings(lake=lake.uri))
    assert len(answer(reader, Query((like("t0003"),), k=100)).hits) == 19
    assert reader.refresh() is reader
    table = lake.table(embeddings_table(SPEC))
    table.delete("track_id > 't0009'")
    assert len(answer(reader, Query((like("t0003"),), k=100)).hits) == 19, "no release was published"
    publish(lake, draft(live_release(lake), take_snapshot(lake, SPEC), "run", "index"), print)
    assert len(answer(reader, Query((like("t0003"),), k=100)).hits) == 19, "the reader is that of the old release"
    renewed = reader.refresh()
    assert len(answer(renewed, Query((like("t0003"),), k=100)).hits) == 9
    assert renewed.refresh() is renewed


def test_an_empty_table_and_one_that_is_read_beside_its_release_have_not_changed(lake):
    lake.open_or_create("spare", TRACKS)
    reader = open_reader(Settings(lake=lake.uri))
    held_lake = replace(reader.lake, pins=())
    assert len(held_lake.table("spare")) == 0
    held_lake.table(embeddings_table(SPEC))
    lake.table(embeddings_table(SPEC)).delete("track_id > 't0009'")
    newest = reader.refresh()
    assert newest is not reader
    replace(newest.lake, pins=()).table(embeddings_table(SPEC))
    replace(newest.lake, pins=()).table("spare")
    assert newest.refresh() is newest


def test_a_table_that_vanished_is_seen_after_a_refresh(lake):
    lake.open_or_create("spare", TRACKS)
    held_lake = lake.hold()
    assert held_lake.find_table("spare") is not None
    lake.remove_table("spare")
    assert held_lake.find_table("spare") is not None
    assert held_lake.reopen().find_table("spare") is None


def test_a_refresh_bears_with_a_thread_that_opens_tables():
    tables = HeldTables()
    tables.find("a", None, lambda: None)
    opened = iter("bcdefgh")

    def find_newest(_name):
        tables.find(next(opened), None, lambda: None)

    assert tables.current(find_newest) is tables


def test_conditions_that_another_thread_forgets_disturb_nobody(lake):
    class Forgetful(dict):
        def __setitem__(self, *_):
            self.clear()

    reader = replace(open_reader(Settings(lake=lake.uri)), _conditions=Forgetful())
    assert reader.resolve(Filter("duration_s > 0")).where == "duration_s > 0"


@pytest.mark.parametrize("where", ["title <> 'x'", "track_id > 't0005'", "uri LIKE '%7%'"])
def test_a_filter_of_a_large_table_keeps_which_rows_pass(lake, monkeypatch, where):
    filters, reader = SearchFilters(where=where), open_reader(Settings(lake=lake.uri))
    queries = [Query((like("t0003"),), filters, k) for k in (1, 5, 100)]
    before = [answer(reader, query).hits for query in queries]
    monkeypatch.setattr("lake.embeddings.search._KEPT_ROWS", 1)
    kept = open_reader(Settings(lake=lake.uri))
    assert [answer(kept, query).hits for query in queries] == before
    (condition,) = kept._conditions.values()
    assert condition.rows is not None
    monkeypatch.setattr(PassingRows, "__init__", None)  # no filter is evaluated again
    assert [answer(kept, query).hits for query in queries] == before


def test_a_reader_opens_each_table_once(lake, monkeypatch):
    reader = open_reader(Settings(lake=lake.uri))
    before = answer(reader, Query((like("t0003"),), k=5)).hits
    monkeypatch.setattr(lance, "dataset", None)
    assert answer(reader, Query((like("t0003"),), k=5)).hits == before


def test_a_refreshed_reader_leaves_out_what_lost_its_rights_or_was_taken_down(lake):
    reader = open_reader(Settings(lake=lake.uri))
    rows = lake.table("tracks").to_table(filter="track_id = 't0005'").to_pylist()
    ended = rows[0] | {"available_to": "2020-12-31"}
    lake.upsert("tracks", TRACKS, pa.Table.from_pylist([ended], schema=TRACKS))
    reader = reader.refresh()
    assert reader.unavailable(RightsFilter("2026-01-01")).ids.to_pylist() == ["t0005"]
    take_down(TakedownRequest(("t0006",)), Settings(lake=lake.uri), print)
    hits = answer(reader.refresh(), Query((like("t0003"),), k=100)).hits
    assert {hit.track_id for hit in hits} == {f"t{number:04d}" for number in range(20)} - {"t0003", "t0005", "t0006"}


def test_a_track_without_a_name_is_an_error_with_a_way_out(lake):
    with pytest.raises(UserError, match="no track is named 'nobody': give an id"):
        answer(open_reader(Settings(lake=lake.uri)), Query((like("nobody"),)))


def test_a_condition_on_own_columns_is_answered_once(lake, monkeypatch):
    rows = lake.table("tracks").to_table().to_pylist()
    labelled = [row | {"extra": '{"label": "ECM"}'} for row in rows[:3]]
    lake.upsert("tracks", TRACKS, pa.Table.from_pylist(labelled, schema=TRACKS))
    reader, query = open_reader(Settings(lake=lake.uri)), Query(filters=SearchFilters(where="label = 'ECM'"))
    before = answer(reader, query).hits
    assert sorted(hit.track_id for hit in before) == sorted(row["track_id"] for row in labelled)
    monkeypatch.setattr(reader_module, "find_passing", None)
    assert answer(reader, query).hits == before
