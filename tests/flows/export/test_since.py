"""An increment put onto the export of an earlier release is the export of the later one."""

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flows.export.export import ExportRequest, export
from lake.export.rows import unlike_rows
from lake.takedowns.takedowns import finish, write_down
from schemas.errors import UserError
from schemas.settings import Settings
from tests.flows.released import IDS, TABLE, lake_at, rebuilt, released, write
from tests.lake.rows import SPEC

OTHER = SPEC.limited(3)


def exported(home, folder, **asked):
    return export(ExportRequest(str(folder), **asked), Settings(lake=home.uri), print)


def rows_of(folder):
    tables = [pq.read_table(part) for part in sorted(folder.glob("part-*.parquet"))]
    return {row["track_id"]: row for table in tables for row in table.to_pylist()}


def applied(before, increment):
    """What a reader does: drop what was removed, replace or add the rows that came."""
    gone = set(pd.read_parquet(increment / "removed.parquet")["track_id"])
    return {track: row for track, row in rows_of(before).items() if track not in gone} | rows_of(increment)


def said(home, ids, **columns):
    """New metadata reaches rows by columns alone: the vectors are not written again."""
    rows = home.table(TABLE).to_table(columns=["track_id"], filter=f"track_id IN ({', '.join(map(repr, ids))})")
    for name, value in columns.items():
        field = home.table(TABLE).schema.field(name)
        rows = rows.append_column(field, pa.array([value] * len(rows), field.type))
    if len(rows):
        home.table(TABLE).merge_insert("track_id").when_matched_update_all().execute(rows)


SOME = st.lists(st.sampled_from(IDS[:12]), min_size=1, max_size=4, unique=True)
CHANGES = st.lists(
    st.one_of(
        st.tuples(st.just("new"), st.lists(st.sampled_from(["x1", "x2", "x3"]), min_size=1, unique=True)),
        st.tuples(st.sampled_from(["heard", "said", "genres", "gone", "compacted", "released"]), SOME),
    ),
    max_size=5,
)


def done(home, change, ids):
    table = home.table(TABLE)
    match change:
        case "new":
            write(home, ids)
        case "heard":
            write(home, ids, version="2")
        case "said":
            said(home, ids, title="another", year=None)
        case "genres":
            said(home, ids, genres=["a", None])
        case "gone":
            table.delete(f"track_id IN ({', '.join(map(repr, ids))})")
        case "compacted":
            table.optimize.compact_files()
        case "released":
            released(home)


@settings(max_examples=8, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(CHANGES)
def test_an_increment_onto_the_earlier_is_the_later(tmp_path_factory, changes):
    folder = tmp_path_factory.mktemp("since")
    home = lake_at(folder / "lake", IDS[:12])
    exported(home, folder / "before")
    for change, ids in changes:
        done(home, change, ids)
    released(home)
    exported(home, folder / "after")
    increment = exported(home, folder / "increment", since=1)
    assert applied(folder / "before", folder / "increment") == rows_of(folder / "after")
    before, after = rows_of(folder / "before"), rows_of(folder / "after")
    moved = {track for track, row in after.items() if before.get(track) != row}
    assert set(rows_of(folder / "increment")) == moved  # and nothing that is as it was
    assert (increment["tracks"], increment["removed"]) == (len(moved), len(before.keys() - after.keys()))


def test_vectors_of_two_versions_never_meet(tmp_path):
    home = lake_at(tmp_path / "lake")
    write(home, IDS, spec=OTHER)
    assert released(home, OTHER) == 2
    with pytest.raises(UserError, match=r"release 1 .* is of another version than made-up .*export without --since"):
        exported(home, tmp_path / "out", since=1)
    with pytest.raises(UserError, match="there is no release 7"):
        exported(home, tmp_path / "out", number=1, since=7)
    assert not (tmp_path / "out").exists()


def test_what_was_forgotten_is_told_as_removed_by_whichever_increment(tmp_path):
    """A reader of the old release 1 has t005; the releases as they were rebuilt both hold it no more."""
    home = lake_at(tmp_path / "lake")
    rebuilt(home, "t005")
    write_down(home, ["t005"], [], "a-takedown", None)
    finish(home, "a-takedown")
    write(home, ["x1"])
    released(home)
    assert exported(home, tmp_path / "out", since=1)["removed"] == 1
    assert list(pd.read_parquet(tmp_path / "out/removed.parquet")["track_id"]) == ["t005"]
    assert set(rows_of(tmp_path / "out")) == {"x1"}


def test_rows_that_differ_in_any_column_are_found(tmp_path):
    home = lake_at(tmp_path / "lake")
    one = home.table(TABLE).to_table().combine_chunks()
    assert not unlike_rows(one, one).any()
    for place, name in [(0, "vector"), (7, "tags"), (20, "genres"), (39, "year")]:
        rows = one.to_pylist()
        rows[place][name] = {"vector": [0.5] * 8, "tags": [], "genres": ["x"], "year": 7}[name]
        other = one.from_pylist(rows, schema=one.schema)
        assert unlike_rows(one, other).nonzero()[0].tolist() == [place]
