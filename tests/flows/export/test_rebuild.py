"""Exports that a takedown finds: written anew where they lie, and an answer for each that cannot be."""

import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

import flows.export.export
from flows.export.export import ExportRequest, export, lease_name
from flows.export.rebuild import again
from lake.export.log import exports, mount_of, record
from lake.storage.lease import Lease
from lake.takedowns.takedowns import finish, write_down
from schemas.errors import UserError
from schemas.exports import EXPORTS, FORMATS
from schemas.settings import Settings
from tests.flows.released import TABLE, lake_at, rebuilt, released, write
from tests.lake.rows import unit


@pytest.fixture
def home(tmp_path):
    return lake_at(tmp_path / "lake")


def exported(home, folder, **asked):
    export(ExportRequest(str(folder), **asked), Settings(lake=home.uri), print)


def forgotten(home, track):
    rebuilt(home, track)
    write_down(home, [track], [], "a-takedown", None)
    finish(home, "a-takedown")


def states(home):
    return {Path(one.uri).name: again(home, Settings(lake=home.uri), one, print).state for one in exports(home)}


def content(folder):
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def test_every_format_loses_the_vector(home, tmp_path):
    pytest.importorskip("hnswlib")
    for form in FORMATS:
        exported(home, tmp_path / "out" / form, format=form)
    exported(home, tmp_path / "out" / "table", format="npy", embedding_version=exports(home)[0].embedding_version)
    secret = unit("t0051", 8).astype("f4").tobytes()
    plain = ("npy", "table", "faiss", "hnsw")  # the others compress: their rows are looked at
    assert all(secret in content(tmp_path / "out" / form) for form in plain)
    assert set(states(home).values()) == {"unchanged"}
    forgotten(home, "t005")
    assert states(home) == dict.fromkeys([*FORMATS, "table"], "written anew")
    assert not any(
        secret in content(tmp_path / "out" / form) or b"t005" in content(tmp_path / "out" / form) for form in plain
    )
    assert "t005" not in set(pd.read_parquet(tmp_path / "out/parquet/part-00000.parquet")["track_id"])
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted([*FORMATS, "table"])
    assert {one.tracks for one in exports(home)} == {39}
    assert set(states(home).values()) == {"unchanged"}


def test_an_increment_names_what_was_forgotten(home, tmp_path):
    write(home, ["t005"], version="2")
    released(home)
    exported(home, tmp_path / "since", since=1)
    table = home.table(TABLE)
    forgotten(home, "t005")
    taken = {"lance_version": str(table.latest_version), "tracks": "39"}
    home.table("releases").update(taken, where="number = 2")
    assert states(home) == {"since": "written anew"}
    assert pd.read_parquet(tmp_path / "since/removed.parquet")["track_id"].tolist() == ["t005"]
    assert len(pd.read_parquet(tmp_path / "since/part-00000.parquet")) == 0


def test_what_cannot_be_written_anew_is_told_and_what_is_gone_is_dropped(home, tmp_path):
    for name in ("deleted", "kept", "unmounted", "elsewhere", "busy", "other"):
        exported(home, tmp_path / name)
    known = {Path(one.uri).name: one for one in exports(home)}
    shutil.rmtree(tmp_path / "deleted")
    shutil.rmtree(tmp_path / "elsewhere")
    home.upsert("exports", *_row(replace(known["unmounted"], mount=str(tmp_path / "unmounted"))))
    home.upsert("exports", *_row(replace(known["elsewhere"], host="some-other-machine")))
    shutil.rmtree(tmp_path / "other")
    (tmp_path / "other").mkdir()
    (tmp_path / "other/letter.txt").write_text("mine")
    forgotten(home, "t005")
    with Lease(home, lease_name(str(tmp_path / "busy")), "another", print):
        busy = next(one for one in exports(home) if one.uri.endswith("busy"))
        told = again(home, Settings(lake=home.uri), busy, print)
    assert (told.state, "run another" in told.message) == ("out of reach", True)
    assert states(home) == {
        "deleted": "gone",
        "kept": "written anew",
        "unmounted": "out of reach",
        "elsewhere": "out of reach",
        "busy": "written anew",
        "other": "gone",
    }
    assert {Path(one.uri).name for one in exports(home)} == {"kept", "unmounted", "elsewhere", "busy"}
    assert (tmp_path / "other/letter.txt").read_text() == "mine"
    reasons = {again(home, Settings(lake=home.uri), one, print).message for one in exports(home)}
    assert any("is not mounted" in reason for reason in reasons)
    assert any("on the machine some-other-machine" in reason for reason in reasons)


def _row(one):
    return EXPORTS, pa.Table.from_pylist([one.row()], schema=EXPORTS)


def test_an_export_of_a_retired_release_is_removed_but_for_what_its_owner_put_there(home, tmp_path):
    exported(home, tmp_path / "out")
    exported(home, tmp_path / "more")
    (tmp_path / "more/notes.txt").write_text("mine")
    home.table("releases").update({"lance_version": "99"}, where="number = 1")  # its files are given up
    assert states(home) == {"out": "removed", "more": "removed"}
    assert not (tmp_path / "out").exists()
    assert [path.name for path in (tmp_path / "more").iterdir()] == ["notes.txt"]
    assert exports(home) == []


def test_a_disk_that_is_full_or_a_folder_that_is_shut_is_a_line_not_a_crash(home, tmp_path):
    exported(home, tmp_path / "in" / "out")
    forgotten(home, "t005")
    (one,) = exports(home)
    (tmp_path / "in/.out.unfinished").write_text("in the way")
    told = again(home, Settings(lake=home.uri), one, print)
    assert (told.state, ".out.unfinished" in told.message) == ("out of reach", True)
    (tmp_path / "in/.out.unfinished").unlink()
    assert again(home, Settings(lake=home.uri), one, print).state == "written anew"


def test_in_a_store(s3_bucket):
    home = lake_at(f"{s3_bucket}/lake")
    for form in ("parquet", "npy", "lance"):
        exported(home, f"{s3_bucket}/{form}", format=form)
    home.files().rm(f"{s3_bucket}/npy", recursive=True)
    home.files().pipe_file(f"{s3_bucket}/parquet/notes.txt", b"mine")
    forgotten(home, "t005")
    nowhere = record(home, replace(exports(home)[0], uri="s3://no-such-bucket/out"))
    assert nowhere.host is None
    assert states(home) == {"parquet": "written anew", "npy": "gone", "lance": "written anew", "out": "gone"}
    assert home.files().cat_file(f"{s3_bucket}/parquet/notes.txt") == b"mine"
    with home.files().open(f"{s3_bucket}/parquet/part-00000.parquet") as file:
        assert "t005" not in set(pd.read_parquet(file)["track_id"])


def test_a_release_that_was_rebuilt_before_its_export_was_written_down(home, tmp_path, monkeypatch):
    def late(lake, row):
        forgotten(home, "t005")
        return record(lake, row)

    monkeypatch.setattr(flows.export.export, "record", late)
    with pytest.raises(UserError, match="release 1 was rebuilt meanwhile: run the same command again"):
        exported(home, tmp_path / "out")
    monkeypatch.undo()
    assert not (tmp_path / "out").exists()
    exported(home, tmp_path / "out")
    assert [one.tracks for one in exports(home)] == [39]


def test_a_mount_point_is_found_for_paths_that_are_and_are_not():
    assert Path(mount_of("/proc/self/status")) == Path("/proc")
    assert mount_of("/no/such/path") == "/"
