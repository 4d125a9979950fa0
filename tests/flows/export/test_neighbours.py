"""Exports of all neighbours of a release, computed on a real Ray; read by pandas and DuckDB."""

import json
import os
import signal
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

import flows.export.neighbours
from flows.export.export import ExportRequest, write_export
from flows.export.rebuild import rebuild_export
from flows.search.search import search
from lake.export.log import list_exports
from schemas.errors import UserError
from schemas.settings import Settings
from tests.cli import error_line, run_here, run_json
from tests.flows.catalogue import run_in_process
from tests.flows.released import (
    IDS,
    TABLE,
    create_lake,
    publish_release,
    rebuild_first_release_without,
    start_python,
    write_rows,
)
from tests.flows.rights import make_rights_lake
from tests.lake.rows import SPEC

PAUSED_EXPORT = """
import sys
import flows.export.neighbours
from flows.cli.main import app
flows.export.neighbours.BLOCK_ROWS = 7
write_block = flows.export.neighbours.write_block
def pause_and_write(path, *block):
    if "part-00003" in path:
        print("paused", flush=True)
        sys.stdin.readline()
    write_block(path, *block)
flows.export.neighbours.write_block = pause_and_write
sys.argv = ["tonelake", "--lake", sys.argv[1], "export", sys.argv[2], "--format", "neighbours", "-k", "5"]
app()
"""
PARTS = [f"part-{block:05d}.parquet" for block in range(6)]


@pytest.fixture(scope="module", autouse=True)
def ray():
    import ray

    from workers.distributed.cluster import start_ray

    start_ray(Settings(cpus=2))
    yield
    ray.shutdown()


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(flows.export.neighbours, "BLOCK_ROWS", 7)


@pytest.fixture
def home(tmp_path):
    return create_lake(tmp_path / "lake")


@pytest.fixture
def written(monkeypatch):
    """The names of the parts that are written, in their order."""
    names, write_block = [], flows.export.neighbours.write_block

    def write(path, *block):
        names.append(Path(path).name.removesuffix(".writing"))
        write_block(path, *block)

    monkeypatch.setattr(flows.export.neighbours, "write_block", write)
    return names


def export_to(home, folder, k=5):
    return write_export(ExportRequest(str(folder), format="neighbours", k=k), Settings(lake=home.uri), print)


def read_parts(folder):
    return pd.concat(map(pd.read_parquet, sorted(folder.glob("part-*.parquet"))), ignore_index=True)


def checksums(manifest):
    return {file["name"]: file["sha256"] for file in manifest["files"]}


def test_neighbours_are_those_that_a_search_finds(home, tmp_path):
    manifest = export_to(home, tmp_path / "near")
    assert [file["rows"] for file in manifest["files"]] == [7, 7, 7, 7, 7, 5]
    assert (manifest["done"], manifest["k"], manifest["tracks"]) == (True, 5, 40)
    assert not export_to(home, tmp_path / "near")["done"]
    frame = read_parts(tmp_path / "near")
    assert frame["track_id"].tolist() == IDS
    for track in ("t000", "t021", "t039"):
        hits = search(Settings(lake=home.uri), like=track, k=5)
        row = frame.set_index("track_id").loc[track]
        assert list(row["neighbours"]) == [hit.track_id for hit in hits]
        np.testing.assert_allclose(row["scores"], [hit.score for hit in hits], atol=1e-5)
    pairs = frame.explode(["neighbours", "scores"])
    parts = f"'{tmp_path}/near/part-*.parquet'"
    sql = f"SELECT track_id, unnest(neighbours) AS other, unnest(scores) AS score FROM {parts}"
    assert sorted(duckdb.sql(sql).fetchall()) == sorted(tuple(row) for row in pairs.itertuples(index=False))
    assert len(pairs) == 200
    (recorded,) = list_exports(home)
    assert (recorded.format, recorded.k, recorded.tracks, recorded.release) == ("neighbours", 5, 40, 1)


def test_the_same_vectors_give_the_same_lists_in_any_order_of_the_table(home, tmp_path):
    export_to(home, tmp_path / "before")
    rows = home.table(TABLE).to_table(filter="track_id < 't010'")
    home.table(TABLE).delete("track_id < 't010'")
    home.table(TABLE).merge_insert("track_id").when_not_matched_insert_all().execute(rows)
    publish_release(home)
    export_to(home, tmp_path / "after")
    for name in PARTS:
        assert pq.read_table(tmp_path / "before" / name).equals(pq.read_table(tmp_path / "after" / name))


def test_k_above_the_number_of_tracks_and_identical_tracks(home, tmp_path):
    write_rows(home, ["twin"], vector=home.table(TABLE).to_table(filter="track_id = 't003'")["vector"][0].as_py())
    publish_release(home)
    assert export_to(home, tmp_path / "all", k=None)["k"] == 100
    frame = read_parts(tmp_path / "all").set_index("track_id")
    assert set(frame["neighbours"].map(len)) == {40}
    assert frame.loc["t003"]["neighbours"][0] == "twin"  # identical content is a neighbour
    assert all(track not in row for track, row in frame["neighbours"].items())


def test_a_single_track_has_no_neighbour(tmp_path):
    export_to(create_lake(tmp_path / "lake", ["only"]), tmp_path / "near")
    assert pq.read_table(tmp_path / "near" / PARTS[0]).to_pylist() == [
        {"track_id": "only", "neighbours": [], "scores": []}
    ]


def test_a_killed_export_is_completed_from_its_parts(home, tmp_path, written):
    out, stage = tmp_path / "near", tmp_path / ".near.unfinished"
    process = start_python(PAUSED_EXPORT, home.uri, out)
    assert process.stdout.readline() == "paused\n", process.stderr.read()
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not out.exists()
    assert sorted(path.name for path in stage.glob("part-*.parquet")) == PARTS[:3]
    (stage / PARTS[1]).write_bytes(b"cut off")
    manifest = export_to(home, out)
    assert written == [PARTS[1], *PARTS[3:]]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lake", "near"]
    assert checksums(manifest) == checksums(export_to(home, tmp_path / "reference"))


def test_parts_of_another_k_are_not_mixed_in(home, tmp_path, written, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("lake.export.folder.ExportFolder.complete", _interrupt)
        with pytest.raises(KeyboardInterrupt):
            export_to(home, tmp_path / "near", k=3)
    written.clear()
    export_to(home, tmp_path / "near")
    assert written == PARTS
    assert set(read_parts(tmp_path / "near")["neighbours"].map(len)) == {5}


def _interrupt(*_):
    raise KeyboardInterrupt


def test_a_takedown_rebuilds_the_export(home, tmp_path):
    for name in ("near", "gone"):
        export_to(home, tmp_path / name)
    for path in (tmp_path / "gone").iterdir():
        path.unlink()
    (tmp_path / "gone/letter.txt").write_text("something else")
    assert _rebuild_all(home) == {"near": "unchanged", "gone": "gone"}
    rebuild_first_release_without(home, "t005")
    assert _rebuild_all(home) == {"near": "written anew"}
    frame = read_parts(tmp_path / "near")
    assert len(frame) == 39
    assert "t005" not in {*frame["track_id"], *frame.explode("neighbours")["neighbours"]}
    assert set(frame["neighbours"].map(len)) == {5}
    assert [(export.tracks, export.k) for export in list_exports(home)] == [(39, 5)]
    rebuild_first_release_without(home, *IDS)
    assert _rebuild_all(home) == {"near": "written anew"}
    assert len(read_parts(tmp_path / "near")) == 0
    assert pq.read_schema(tmp_path / "near" / PARTS[0]).names == ["track_id", "neighbours", "scores"]


def _rebuild_all(home):
    settings = Settings(lake=home.uri)
    return {
        Path(export.uri).name: rebuild_export(home, settings, export, print).state for export in list_exports(home)
    }


def test_neighbours_in_a_store_are_completed_from_their_parts(s3_bucket, monkeypatch, written):
    home = create_lake(f"{s3_bucket}/lake")
    with monkeypatch.context() as patch:
        patch.setattr("lake.export.folder.ExportFolder.complete", _interrupt)
        with pytest.raises(KeyboardInterrupt):
            export_to(home, f"{s3_bucket}/near")
    home.file_system().rm_file(f"{s3_bucket}/near/{PARTS[4]}")
    written.clear()
    assert export_to(home, f"{s3_bucket}/near")["done"]
    assert written == [PARTS[4]]
    assert not export_to(home, f"{s3_bucket}/near")["done"]
    with home.file_system().open(f"{s3_bucket}/near/{PARTS[5]}") as file:
        assert len(pd.read_parquet(file)) == 5


def test_the_command(home, tmp_path):
    out, arguments = tmp_path / "near", ("--lake", home.uri, "export", tmp_path / "near", "--format", "neighbours")
    title = f"release 1 (made-up {SPEC.embedding_version}), 40 tracks with their 3 nearest"
    assert run_here(*arguments, "-k", 3).stdout == f"{title}: {out}\n"
    assert run_here(*arguments, "--k", 3).stdout == f"nothing to do: {out} holds {title}\n"
    assert "(release 1 as neighbours with k = 3): give another folder, or --replace it" in error_line(*arguments)
    publish_release(home)
    first = ("export", out, "--format", "neighbours", "--replace", "--release", 1, "-k", 4)
    assert run_json(home.uri, *first)["release"] == 1
    version = run_json(home.uri, *first[:4], "--replace", "--embedding-version", SPEC.embedding_version)
    assert (version["release"], version["k"], version["done"]) == (None, 100, True)
    assert json.loads((out / "manifest.json").read_text())["files"] == version["files"]
    (listed,) = run_json(home.uri, "exports")
    assert (listed["uri"], listed["format"], listed["k"]) == (str(out), "neighbours", 100)
    assert home.table("runs").count_rows("command = 'export' AND status = 'done'") == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--format", "neighbours", "--since", 1), "neighbours of every other: export them without --since"),
        (("-k", 3), "use it with --format neighbours"),
        (("--format", "similar"), "no format 'similar'; there are parquet, npy, lance, faiss, hnsw, neighbours"),
    ],
)
def test_options_without_a_meaning_are_refused(tmp_path, options, message):
    assert message in error_line("--lake", tmp_path / "lake", "export", tmp_path / "out", *options)
    assert list(tmp_path.iterdir()) == []


def test_a_flow_cannot_ask_for_no_neighbours(tmp_path):
    with pytest.raises(UserError, match="a track cannot have 0 neighbours"):
        write_export(ExportRequest(str(tmp_path), format="neighbours", k=0), Settings(), print)


def test_neighbours_are_those_of_the_filtered_set(tmp_path, monkeypatch):
    run_in_process([], monkeypatch)
    lake = make_rights_lake(tmp_path)
    lake.run("export", tmp_path / "out", "--format", "neighbours", "-k", 2, "--on", "2027-01-01")
    rows = pq.read_table(tmp_path / "out" / "part-00000.parquet").to_pylist()
    named = {"always", "later", "german"}
    assert {row["track_id"]: set(row["neighbours"]) for row in rows} == {name: named - {name} for name in named}
    assert not (tmp_path / "out" / "registry").exists()
