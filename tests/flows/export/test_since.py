"""An increment applied to the export of an earlier release gives the export of the later one."""

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flows.export.export import ExportRequest, write_export
from lake.export.rows import differing_rows
from lake.takedowns.takedowns import add_takedown, finish_takedown
from schemas.errors import UserError
from schemas.settings import Settings
from tests.flows.released import IDS, TABLE, create_lake, publish_release, rebuild_first_release_without, write_rows
from tests.lake.rows import SPEC

OTHER = SPEC.with_max_windows(3)


def export_to(home, folder, **options):
    return write_export(ExportRequest(str(folder), **options), Settings(lake=home.uri), print)


def rows_of(folder):
    tables = [pq.read_table(part) for part in sorted(folder.glob("part-*.parquet"))]
    return {row["track_id"]: row for table in tables for row in table.to_pylist()}


def apply_increment(before, increment):
    """Do what a reader does: drop the removed tracks, replace or add the rows of the increment."""
    removed = set(pd.read_parquet(increment / "removed.parquet")["track_id"])
    return {track: row for track, row in rows_of(before).items() if track not in removed} | rows_of(increment)


def update_metadata(home, ids, **columns):
    """Change columns of metadata alone; the vectors are not written."""
    rows = home.table(TABLE).to_table(columns=["track_id"], filter=f"track_id IN ({', '.join(map(repr, ids))})")
    for name, value in columns.items():
        field = home.table(TABLE).schema.field(name)
        rows = rows.append_column(field, pa.array([value] * len(rows), field.type))
    if len(rows):
        home.table(TABLE).merge_insert("track_id").when_matched_update_all().execute(rows)


TRACK_IDS = st.lists(st.sampled_from(IDS[:12]), min_size=1, max_size=4, unique=True)
CHANGES = st.lists(
    st.one_of(
        st.tuples(st.just("new"), st.lists(st.sampled_from(["x1", "x2", "x3"]), min_size=1, unique=True)),
        st.tuples(st.sampled_from(["embedded", "metadata", "genres", "deleted", "compacted", "released"]), TRACK_IDS),
    ),
    max_size=5,
)


def apply_change(home, change, ids):
    table = home.table(TABLE)
    match change:
        case "new":
            write_rows(home, ids)
        case "embedded":
            write_rows(home, ids, version="2")
        case "metadata":
            update_metadata(home, ids, title="another", year=None)
        case "genres":
            update_metadata(home, ids, genres=["a", None])
        case "deleted":
            table.delete(f"track_id IN ({', '.join(map(repr, ids))})")
        case "compacted":
            table.optimize.compact_files()
        case "released":
            publish_release(home)


@settings(max_examples=8, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(CHANGES)
def test_an_increment_applied_to_the_earlier_export_gives_the_later(tmp_path_factory, changes):
    folder = tmp_path_factory.mktemp("since")
    home = create_lake(folder / "lake", IDS[:12])
    export_to(home, folder / "before")
    for change, ids in changes:
        apply_change(home, change, ids)
    publish_release(home)
    export_to(home, folder / "after")
    increment = export_to(home, folder / "increment", since=1)
    assert apply_increment(folder / "before", folder / "increment") == rows_of(folder / "after")
    before, after = rows_of(folder / "before"), rows_of(folder / "after")
    changed = {track for track, row in after.items() if before.get(track) != row}
    assert set(rows_of(folder / "increment")) == changed  # and no unchanged row
    assert (increment["tracks"], increment["removed"]) == (len(changed), len(before.keys() - after.keys()))


def test_vectors_of_two_versions_are_never_mixed(tmp_path):
    home = create_lake(tmp_path / "lake")
    write_rows(home, IDS, spec=OTHER)
    assert publish_release(home, OTHER) == 2
    with pytest.raises(UserError, match=r"release 1 .* is of another version than made-up .*export without --since"):
        export_to(home, tmp_path / "out", since=1)
    with pytest.raises(UserError, match="there is no release 7"):
        export_to(home, tmp_path / "out", release=1, since=7)
    assert not (tmp_path / "out").exists()


def test_every_increment_lists_a_taken_down_track_as_removed(tmp_path):
    """A reader of the old release 1 has t005; neither of the rebuilt releases has it."""
    home = create_lake(tmp_path / "lake")
    rebuild_first_release_without(home, "t005")
    add_takedown(home, ["t005"], [], "a-takedown", None)
    finish_takedown(home, "a-takedown")
    write_rows(home, ["x1"])
    publish_release(home)
    assert export_to(home, tmp_path / "out", since=1)["removed"] == 1
    assert list(pd.read_parquet(tmp_path / "out/removed.parquet")["track_id"]) == ["t005"]
    assert set(rows_of(tmp_path / "out")) == {"x1"}


def test_rows_that_differ_in_any_column_are_found(tmp_path):
    home = create_lake(tmp_path / "lake")
    table = home.table(TABLE).to_table().combine_chunks()
    assert not differing_rows(table, table).any()
    for row, name in [(0, "vector"), (7, "tags"), (20, "genres"), (39, "year")]:
        rows = table.to_pylist()
        rows[row][name] = {"vector": [0.5] * 8, "tags": [], "genres": ["x"], "year": 7}[name]
        other = table.from_pylist(rows, schema=table.schema)
        assert differing_rows(table, other).nonzero()[0].tolist() == [row]
