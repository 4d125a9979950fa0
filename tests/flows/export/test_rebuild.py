"""Exports that a takedown finds: rebuilt in place, or a reason for each that cannot be."""

import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

import flows.export.export
from flows.export.export import ExportRequest, write_export
from flows.export.rebuild import rebuild_export
from lake.export.log import list_exports, mount_point, record_export
from lake.storage.lease import Lease, export_lease
from lake.takedowns.takedowns import add_takedown, finish_takedown
from schemas.errors import UserError
from schemas.exports import EXPORTS, FORMATS, NEIGHBOURS
from schemas.settings import Settings
from tests.flows.released import TABLE, create_lake, publish_release, rebuild_first_release_without, write_rows
from tests.lake.rows import unit_vector

WITHOUT_RAY = [form for form in FORMATS if form != NEIGHBOURS]  # the other is in test_neighbours.py


@pytest.fixture
def home(tmp_path):
    return create_lake(tmp_path / "lake")


def export_to(home, folder, **options):
    write_export(ExportRequest(str(folder), **options), Settings(lake=home.uri), print)


def take_down(home, track):
    rebuild_first_release_without(home, track)
    add_takedown(home, [track], [], "a-takedown", None)
    finish_takedown(home, "a-takedown")


def rebuild(home, export):
    return rebuild_export(home, Settings(lake=home.uri), export, print)


def states(home):
    return {Path(export.uri).name: rebuild(home, export).state for export in list_exports(home)}


def content(folder):
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def test_every_format_loses_the_vector(home, tmp_path):
    pytest.importorskip("hnswlib")
    for form in WITHOUT_RAY:
        export_to(home, tmp_path / "out" / form, format=form)
    export_to(
        home, tmp_path / "out" / "table", format="npy", embedding_version=list_exports(home)[0].embedding_version
    )
    secret = unit_vector("t0051", 8).astype("f4").tobytes()
    plain = ("npy", "table", "faiss", "hnsw")  # the others are compressed: their rows are read
    assert all(secret in content(tmp_path / "out" / form) for form in plain)
    assert set(states(home).values()) == {"unchanged"}
    take_down(home, "t005")
    assert states(home) == dict.fromkeys([*WITHOUT_RAY, "table"], "written anew")
    assert not any(
        secret in content(tmp_path / "out" / form) or b"t005" in content(tmp_path / "out" / form) for form in plain
    )
    assert "t005" not in set(pd.read_parquet(tmp_path / "out/parquet/part-00000.parquet")["track_id"])
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted([*WITHOUT_RAY, "table"])
    assert {export.tracks for export in list_exports(home)} == {39}
    assert set(states(home).values()) == {"unchanged"}


def test_an_increment_names_the_removed_track(home, tmp_path):
    write_rows(home, ["t005"], version="2")
    publish_release(home)
    export_to(home, tmp_path / "since", since=1)
    table = home.table(TABLE)
    take_down(home, "t005")
    taken = {"lance_version": str(table.latest_version), "tracks": "39"}
    home.table("releases").update(taken, where="number = 2")
    assert states(home) == {"since": "written anew"}
    assert pd.read_parquet(tmp_path / "since/removed.parquet")["track_id"].tolist() == ["t005"]
    assert len(pd.read_parquet(tmp_path / "since/part-00000.parquet")) == 0


def test_unreachable_exports_are_reported_and_deleted_ones_dropped(home, tmp_path):
    for name in ("deleted", "kept", "unmounted", "elsewhere", "busy", "other"):
        export_to(home, tmp_path / name)
    recorded = {Path(export.uri).name: export for export in list_exports(home)}
    shutil.rmtree(tmp_path / "deleted")
    shutil.rmtree(tmp_path / "elsewhere")
    home.upsert("exports", *_row(replace(recorded["unmounted"], mount=str(tmp_path / "unmounted"))))
    home.upsert("exports", *_row(replace(recorded["elsewhere"], host="some-other-machine")))
    shutil.rmtree(tmp_path / "other")
    (tmp_path / "other").mkdir()
    (tmp_path / "other/letter.txt").write_text("note")
    take_down(home, "t005")
    with Lease(home, export_lease(str(tmp_path / "busy")), "another", print):
        result = rebuild(home, recorded["busy"])
    assert (result.state, "run another" in result.message) == ("out of reach", True)
    assert states(home) == {
        "deleted": "gone",
        "kept": "written anew",
        "unmounted": "out of reach",
        "elsewhere": "out of reach",
        "busy": "written anew",
        "other": "gone",
    }
    assert {Path(export.uri).name for export in list_exports(home)} == {"kept", "unmounted", "elsewhere", "busy"}
    assert (tmp_path / "other/letter.txt").read_text() == "note"
    reasons = {rebuild(home, export).message for export in list_exports(home)}
    assert any("is not mounted" in reason for reason in reasons)
    assert any("on the machine some-other-machine" in reason for reason in reasons)


def _row(export):
    return EXPORTS, pa.Table.from_pylist([export.row()], schema=EXPORTS)


def test_an_export_of_a_dropped_release_is_removed_but_not_other_files(home, tmp_path):
    export_to(home, tmp_path / "out")
    export_to(home, tmp_path / "more")
    (tmp_path / "more/notes.txt").write_text("note")
    home.table("releases").update({"lance_version": "99"}, where="number = 1")  # a version that does not exist
    assert states(home) == {"out": "removed", "more": "removed"}
    assert not (tmp_path / "out").exists()
    assert [path.name for path in (tmp_path / "more").iterdir()] == ["notes.txt"]
    assert list_exports(home) == []


def test_a_failed_write_is_one_line_not_a_crash(home, tmp_path):
    export_to(home, tmp_path / "in" / "out")
    take_down(home, "t005")
    (recorded,) = list_exports(home)
    (tmp_path / "in/.out.unfinished").write_text("in the way")
    result = rebuild(home, recorded)
    assert (result.state, ".out.unfinished" in result.message) == ("out of reach", True)
    (tmp_path / "in/.out.unfinished").unlink()
    assert rebuild(home, recorded).state == "written anew"


def test_exports_in_a_store_are_rebuilt(s3_bucket):
    home = create_lake(f"{s3_bucket}/lake")
    for form in ("parquet", "npy", "lance"):
        export_to(home, f"{s3_bucket}/{form}", format=form)
    home.file_system().rm(f"{s3_bucket}/npy", recursive=True)
    home.file_system().pipe_file(f"{s3_bucket}/parquet/notes.txt", b"note")
    take_down(home, "t005")
    unreachable = record_export(home, replace(list_exports(home)[0], uri="s3://no-such-bucket/out"))
    assert unreachable.host is None
    assert states(home) == {"parquet": "written anew", "npy": "gone", "lance": "written anew", "out": "gone"}
    assert home.file_system().cat_file(f"{s3_bucket}/parquet/notes.txt") == b"note"
    with home.file_system().open(f"{s3_bucket}/parquet/part-00000.parquet") as file:
        assert "t005" not in set(pd.read_parquet(file)["track_id"])


def test_a_release_that_was_rebuilt_before_its_export_was_recorded(home, tmp_path, monkeypatch):
    def record_after_takedown(lake, row):
        take_down(home, "t005")
        return record_export(lake, row)

    monkeypatch.setattr(flows.export.export, "record_export", record_after_takedown)
    with pytest.raises(UserError, match="release 1 was rebuilt meanwhile: run the same command again"):
        export_to(home, tmp_path / "out")
    monkeypatch.undo()
    assert not (tmp_path / "out").exists()
    export_to(home, tmp_path / "out")
    assert [export.tracks for export in list_exports(home)] == [39]


def test_the_mount_point_of_existing_and_missing_paths():
    assert Path(mount_point("/proc/self/status")) == Path("/proc")
    assert mount_point("/no/such/path") == "/"
