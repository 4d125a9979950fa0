"""An export that is killed with -9 anywhere: nobody sees a half one, parts are kept, the checksums are the same."""

import json
import os
import signal
from pathlib import Path

import pytest

from flows.export.export import ExportRequest, export
from lake.export.log import exports
from schemas.settings import Settings
from tests.flows.released import lake_at, python, rebuilt, released, small, write

SMALL = """
import lake.export.formats as formats, lake.export.rows as rows
formats.group_rows, formats.PART_GROUPS, formats.BATCH_ROWS, rows.BATCH_ROWS = (lambda _: 4), 2, 3, 3
"""
KILLED = f"""{SMALL}
import os, sys
from flows.export.export import ExportRequest, export
from schemas.settings import Settings
lake, folder, where, calls = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
def stop(do):
    def at(*arguments, **named):
        global calls
        calls -= 1
        if not calls:
            print("here", flush=True)
            sys.stdin.readline()
        return do(*arguments, **named)
    return at
if where == "batch":
    take = rows.Rows.batches
    def batches(self, start, stop_at):
        for batch in take(self, start, stop_at):
            yield stop(lambda: batch)()
    rows.Rows.batches = batches
else:
    setattr(os, where, stop(getattr(os, where)))
export(ExportRequest(folder, format=sys.argv[5]), Settings(lake=lake), print)
"""


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    small(monkeypatch)


@pytest.fixture
def home(tmp_path):
    return lake_at(tmp_path / "lake")


def killed(home, folder, where, calls, form="parquet"):
    process = python(KILLED, home.uri, folder, where, calls, form)
    assert process.stdout.readline() == "here\n", process.stderr.read()
    os.kill(process.pid, signal.SIGKILL)
    process.wait()


def exported(home, folder, form="parquet"):
    return export(ExportRequest(str(folder), format=form), Settings(lake=home.uri), print)


def sums(manifest):
    return {file["name"]: file["sha256"] for file in manifest["files"]}


@pytest.mark.parametrize(("where", "calls", "whole"), [("batch", 1, 0), ("batch", 8, 2), ("rename", 1, 5)])
def test_killed_and_run_again_it_ends_as_if_it_had_not_been(home, tmp_path, where, calls, whole):
    expected = sums(exported(home, tmp_path / "reference"))
    out, stage = tmp_path / "out", tmp_path / ".out.unfinished"
    killed(home, out, where, calls)
    assert not out.exists()  # nothing for readers
    parts = {path: path.stat().st_mtime_ns for path in stage.glob("*.parquet")}
    assert len(parts) == whole
    (begun,) = (one for one in exports(home) if one.uri == str(out))
    assert begun.tracks is None  # a takedown knows of it all the same
    assert sums(exported(home, out)) == expected
    assert {stage / path.name: path.stat().st_mtime_ns for path in out.glob("*.parquet")}.items() >= parts.items()
    assert not stage.exists()
    assert not exported(home, out)["done"]


@pytest.mark.parametrize(("where", "calls", "seen"), [("batch", 8, 1), ("rename", 1, 1), ("rename", 2, None)])
def test_killed_while_it_replaces_an_export_it_leaves_the_old_or_the_new(home, tmp_path, where, calls, seen):
    out = tmp_path / "out"
    exported(home, out)
    for name in ("notes.txt", "notes.json"):
        (out / name).write_text("mine")
    rebuilt(home, "t005")
    killed(home, out, where, calls)
    found = json.loads((out / "manifest.json").read_text())["tracks"] if out.exists() else None
    assert found == (40 if seen else None)
    assert exported(home, out)["tracks"] == 39
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lake", "out"]
    assert {(out / name).read_text() for name in ("notes.txt", "notes.json")} == {"mine"}


def test_what_was_replaced_is_gone_also_where_only_that_was_left_to_do(home, tmp_path, monkeypatch):
    out = tmp_path / "out"
    exported(home, out)
    rebuilt(home, "t005")
    with monkeypatch.context() as killed_before:
        killed_before.setattr("lake.export.folder.Folder.settle", _killed)
        with pytest.raises(KeyboardInterrupt):
            exported(home, out)
    assert (tmp_path / ".out.replaced").exists()
    assert not exported(home, out)["done"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lake", "out"]
    assert not (out / "unfinished.json").exists()


def _killed(_):
    raise KeyboardInterrupt


def test_parts_of_another_release_are_not_mixed_in(home, tmp_path):
    out = tmp_path / "out"
    killed(home, out, "batch", 8)
    write(home, ["x1"])
    released(home)
    done = exported(home, out)
    assert (done["release"], done["tracks"]) == (2, 41)
    assert sums(done) == sums(exported(home, tmp_path / "reference"))


@pytest.mark.parametrize("form", ["npy", "lance"])
def test_other_formats_go_on_too(home, tmp_path, form):
    killed(home, tmp_path / "out", "batch", 10, form)
    done = exported(home, tmp_path / "out", form)
    assert done["tracks"] == 40
    assert {path.name for path in tmp_path.iterdir()} == {"lake", "out"}
    names = {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert names == {"manifest.json", *sums(done)}


def test_killed_in_a_store(s3_bucket):
    home = lake_at(f"{s3_bucket}/lake")
    expected = sums(exported(home, f"{s3_bucket}/reference"))
    killed(home, f"{s3_bucket}/out", "batch", 8)
    files = home.files()
    there = {Path(path).name: files.info(path)["LastModified"] for path in files.find(f"{s3_bucket}/out")}
    assert set(there) == {"unfinished.json", "part-00000.parquet", "part-00001.parquet"}
    assert sums(exported(home, f"{s3_bucket}/out")) == expected
    after = {Path(path).name: files.info(path)["LastModified"] for path in files.find(f"{s3_bucket}/out")}
    assert after["part-00001.parquet"] == there["part-00001.parquet"]
    assert "unfinished.json" not in after
