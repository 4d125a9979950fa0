"""Exports killed by SIGKILL at any point: never a partial export, finished parts reused, the same checksums."""

import json
import os
import signal
from pathlib import Path

import pytest

from flows.export.export import ExportRequest, write_export
from lake.export.log import list_exports
from schemas.settings import Settings
from tests.flows.released import (
    create_lake,
    publish_release,
    rebuild_first_release_without,
    start_python,
    use_small_parts,
    write_rows,
)

SMALL = """
import lake.export.formats as formats, lake.export.rows as rows
formats.group_rows, formats.PART_GROUPS, formats.BATCH_ROWS, rows.BATCH_ROWS = (lambda _: 4), 2, 3, 3
"""
PAUSED_EXPORT = f"""{SMALL}
import os, sys
from flows.export.export import ExportRequest, write_export
from schemas.settings import Settings
lake, folder, where, calls = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
def pause(function):
    def wrapper(*arguments, **named):
        global calls
        calls -= 1
        if not calls:
            print("paused", flush=True)
            sys.stdin.readline()
        return function(*arguments, **named)
    return wrapper
if where == "batch":
    read = rows.SnapshotRows.batches
    def batches(self, start, stop):
        for batch in read(self, start, stop):
            yield pause(lambda: batch)()
    rows.SnapshotRows.batches = batches
else:
    setattr(os, where, pause(getattr(os, where)))
write_export(ExportRequest(folder, format=sys.argv[5]), Settings(lake=lake), print)
"""


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    use_small_parts(monkeypatch)


@pytest.fixture
def home(tmp_path):
    return create_lake(tmp_path / "lake")


def kill_export(home, folder, where, calls, form="parquet"):
    process = start_python(PAUSED_EXPORT, home.uri, folder, where, calls, form)
    assert process.stdout.readline() == "paused\n", process.stderr.read()
    os.kill(process.pid, signal.SIGKILL)
    process.wait()


def export_to(home, folder, form="parquet"):
    return write_export(ExportRequest(str(folder), format=form), Settings(lake=home.uri), print)


def checksums(manifest):
    return {file["name"]: file["sha256"] for file in manifest["files"]}


@pytest.mark.parametrize(("where", "calls", "whole"), [("batch", 1, 0), ("batch", 8, 2), ("rename", 1, 5)])
def test_a_killed_export_is_completed_by_the_next_run(home, tmp_path, where, calls, whole):
    expected = checksums(export_to(home, tmp_path / "reference"))
    out, stage = tmp_path / "out", tmp_path / ".out.unfinished"
    kill_export(home, out, where, calls)
    assert not out.exists()  # readers see nothing
    parts = {path: path.stat().st_mtime_ns for path in stage.glob("*.parquet")}
    assert len(parts) == whole
    (recorded,) = (export for export in list_exports(home) if export.uri == str(out))
    assert recorded.tracks is None  # incomplete, but a takedown knows of it
    assert checksums(export_to(home, out)) == expected
    assert {stage / path.name: path.stat().st_mtime_ns for path in out.glob("*.parquet")}.items() >= parts.items()
    assert not stage.exists()
    assert not export_to(home, out)["done"]


@pytest.mark.parametrize(
    ("where", "calls", "is_visible"), [("batch", 8, True), ("rename", 1, True), ("rename", 2, False)]
)
def test_a_killed_replacement_leaves_the_old_export_or_the_new(home, tmp_path, where, calls, is_visible):
    out = tmp_path / "out"
    export_to(home, out)
    for name in ("notes.txt", "notes.json"):
        (out / name).write_text("note")
    rebuild_first_release_without(home, "t005")
    kill_export(home, out, where, calls)
    assert out.exists() == is_visible
    if is_visible:
        assert json.loads((out / "manifest.json").read_text())["tracks"] == 40
    assert export_to(home, out)["tracks"] == 39
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lake", "out"]
    assert {(out / name).read_text() for name in ("notes.txt", "notes.json")} == {"note"}


def test_a_replaced_export_is_removed_even_if_nothing_else_is_left_to_do(home, tmp_path, monkeypatch):
    out = tmp_path / "out"
    export_to(home, out)
    rebuild_first_release_without(home, "t005")
    with monkeypatch.context() as patch:
        patch.setattr("lake.export.folder.ExportFolder.remove_temporary_files", _interrupt)
        with pytest.raises(KeyboardInterrupt):
            export_to(home, out)
    assert (tmp_path / ".out.replaced").exists()
    assert not export_to(home, out)["done"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lake", "out"]
    assert not (out / "unfinished.json").exists()


def _interrupt(_):
    raise KeyboardInterrupt


def test_parts_of_another_release_are_not_mixed_in(home, tmp_path):
    out = tmp_path / "out"
    kill_export(home, out, "batch", 8)
    write_rows(home, ["x1"])
    publish_release(home)
    done = export_to(home, out)
    assert (done["release"], done["tracks"]) == (2, 41)
    assert checksums(done) == checksums(export_to(home, tmp_path / "reference"))


@pytest.mark.parametrize("form", ["npy", "lance"])
def test_other_formats_are_completed_too(home, tmp_path, form):
    kill_export(home, tmp_path / "out", "batch", 10, form)
    done = export_to(home, tmp_path / "out", form)
    assert done["tracks"] == 40
    assert {path.name for path in tmp_path.iterdir()} == {"lake", "out"}
    names = {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert names == {"manifest.json", *checksums(done)}


def test_a_killed_export_to_a_store_is_completed(s3_bucket):
    home = create_lake(f"{s3_bucket}/lake")
    expected = checksums(export_to(home, f"{s3_bucket}/reference"))
    kill_export(home, f"{s3_bucket}/out", "batch", 8)
    files = home.file_system()
    before = {Path(path).name: files.info(path)["LastModified"] for path in files.find(f"{s3_bucket}/out")}
    assert set(before) == {"unfinished.json", "part-00000.parquet", "part-00001.parquet"}
    assert checksums(export_to(home, f"{s3_bucket}/out")) == expected
    after = {Path(path).name: files.info(path)["LastModified"] for path in files.find(f"{s3_bucket}/out")}
    assert after["part-00001.parquet"] == before["part-00001.parquet"]
    assert "unfinished.json" not in after
