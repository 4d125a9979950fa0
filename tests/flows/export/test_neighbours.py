"""The file of all neighbours of a release, written on a real Ray; read by pandas and DuckDB."""

import os
import signal

import duckdb
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

import flows.export.neighbours
from flows.export.neighbours import NeighboursRequest, write_neighbours
from flows.export.rebuild import rebuild_export
from flows.search.search import search
from lake.export.log import list_exports
from schemas.errors import UserError
from schemas.settings import Settings
from tests.cli import error_line, run
from tests.flows.released import (
    IDS,
    TABLE,
    create_lake,
    publish_release,
    rebuild_first_release_without,
    start_python,
    write_rows,
)

PAUSED_SIMILAR = """
import sys
import flows.export.neighbours
from flows.cli.main import app
flows.export.neighbours.BLOCK_ROWS = 7
write_block = flows.export.neighbours.NeighboursWriter.write_block
def write_and_pause(self, block, *part):
    write_block(self, block, *part)
    if block == 2:
        print("paused", flush=True)
        sys.stdin.readline()
flows.export.neighbours.NeighboursWriter.write_block = write_and_pause
sys.argv = ["tonelake", "--lake", sys.argv[1], "similar", "--k", "5", "--out", sys.argv[2]]
app()
"""


@pytest.fixture(scope="module", autouse=True)
def ray():
    import ray

    from workers.distributed.cluster import start_ray

    start_ray(Settings(cpus=2))
    yield
    ray.shutdown()


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setattr(flows.export.neighbours, "BLOCK_ROWS", 7)
    return create_lake(tmp_path / "lake")


def write_to(home, file, k=5):
    return write_neighbours(NeighboursRequest(str(file), k), Settings(lake=home.uri), print)


def test_neighbours_are_those_that_a_search_finds(home, tmp_path):
    assert write_to(home, tmp_path / "near.parquet")["done"]
    frame = pd.read_parquet(tmp_path / "near.parquet")
    assert frame["track_id"].tolist() == IDS
    for track in ("t000", "t021", "t039"):
        hits = search(Settings(lake=home.uri), like=track, k=5)
        row = frame.set_index("track_id").loc[track]
        assert list(row["neighbours"]) == [hit.track_id for hit in hits]
        np.testing.assert_allclose(row["scores"], [hit.score for hit in hits], atol=1e-5)
    pairs = frame.explode(["neighbours", "scores"])
    sql = f"SELECT track_id, unnest(neighbours) AS other, unnest(scores) AS score FROM '{tmp_path}/near.parquet'"
    assert duckdb.sql(sql).fetchall() == [tuple(row) for row in pairs.itertuples(index=False)]
    assert len(pairs) == 200
    assert not write_to(home, tmp_path / "near.parquet")["done"]
    (recorded,) = list_exports(home)
    assert (recorded.format, recorded.k, recorded.tracks, recorded.release) == ("similar", 5, 40, 1)


def test_the_same_vectors_give_the_same_lists_in_any_order_of_the_table(home, tmp_path):
    write_to(home, tmp_path / "one.parquet")
    rows = home.table(TABLE).to_table(filter="track_id < 't010'")
    home.table(TABLE).delete("track_id < 't010'")
    home.table(TABLE).merge_insert("track_id").when_not_matched_insert_all().execute(rows)
    publish_release(home)
    write_to(home, tmp_path / "two.parquet")
    assert pq.read_table(tmp_path / "one.parquet").equals(pq.read_table(tmp_path / "two.parquet"))


def test_k_above_the_number_of_tracks_and_identical_tracks(home, tmp_path):
    write_rows(home, ["twin"], vector=home.table(TABLE).to_table(filter="track_id = 't003'")["vector"][0].as_py())
    publish_release(home)
    write_to(home, tmp_path / "all.parquet", k=100)
    frame = pd.read_parquet(tmp_path / "all.parquet").set_index("track_id")
    assert set(frame["neighbours"].map(len)) == {40}
    assert frame.loc["t003"]["neighbours"][0] == "twin"  # identical content is a neighbour
    assert all(track not in row for track, row in frame["neighbours"].items())


def test_a_single_track_has_no_neighbour(tmp_path):
    write_to(create_lake(tmp_path / "lake", ["only"]), tmp_path / "near.parquet")
    assert pq.read_table(tmp_path / "near.parquet").to_pylist() == [
        {"track_id": "only", "neighbours": [], "scores": []}
    ]


def test_a_killed_run_is_completed_from_its_blocks(home, tmp_path):
    out, stage = tmp_path / "near.parquet", tmp_path / ".near.parquet.unfinished"
    process = start_python(PAUSED_SIMILAR, home.uri, out)
    assert process.stdout.readline() == "paused\n", process.stderr.read()
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not out.exists()
    parts = {path.name for path in stage.glob("part-*")}
    assert parts == {f"part-00000{block}.parquet" for block in range(3)}
    (stage / "part-000000.parquet").touch()
    written_blocks = []
    write_block = flows.export.neighbours.NeighboursWriter.write_block
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            flows.export.neighbours.NeighboursWriter,
            "write_block",
            lambda self, block, *part: (written_blocks.append(block), write_block(self, block, *part)),
        )
        write_to(home, out)
    assert written_blocks == [3, 4, 5]
    assert not stage.exists()
    write_to(home, tmp_path / "reference.parquet")
    assert out.read_bytes() == (tmp_path / "reference.parquet").read_bytes()


def test_a_takedown_rebuilds_the_file(home, tmp_path):
    write_to(home, tmp_path / "near.parquet")
    write_to(home, tmp_path / "gone.parquet")
    (tmp_path / "gone.parquet").write_text("something else")
    rebuild_first_release_without(home, "t005")
    settings = Settings(lake=home.uri)
    states = {export.uri: rebuild_export(home, settings, export, print).state for export in list_exports(home)}
    assert states == {str(tmp_path / "near.parquet"): "written anew", str(tmp_path / "gone.parquet"): "gone"}
    assert b"t005" not in (tmp_path / "near.parquet").read_bytes()
    assert "t005" not in set(pd.read_parquet(tmp_path / "near.parquet").explode("neighbours")["neighbours"])
    assert [export.tracks for export in list_exports(home)] == [39]


def test_unusable_destinations_are_refused(home, tmp_path):
    write_to(home, tmp_path / "near.parquet")
    with pytest.raises(UserError, match="holds other neighbours: give another name"):
        write_to(home, tmp_path / "near.parquet", k=6)
    pd.DataFrame({"column": [1]}).to_parquet(tmp_path / "other.parquet")
    (tmp_path / "other.txt").write_text("text")
    for name in ("other.parquet", "other.txt"):
        with pytest.raises(UserError, match="something else than neighbours"):
            write_to(home, tmp_path / name)
    with pytest.raises(UserError, match=r"is a folder: name a file, such as .*similar.parquet"):
        write_to(home, tmp_path)


def test_neighbours_in_a_store(s3_bucket, monkeypatch):
    monkeypatch.setattr(flows.export.neighbours, "BLOCK_ROWS", 7)
    home = create_lake(f"{s3_bucket}/lake")
    assert write_to(home, f"{s3_bucket}/near.parquet")["done"]
    assert not write_to(home, f"{s3_bucket}/near.parquet")["done"]
    with home.file_system().open(f"{s3_bucket}/near.parquet") as file:
        assert len(pd.read_parquet(file)) == 40


def test_the_command(home, tmp_path):
    write_to(home, tmp_path / "near.parquet", k=3)
    arguments = ("--lake", home.uri, "similar", "--out", tmp_path / "near.parquet")
    message = f"nothing to do: {tmp_path}/near.parquet holds the 3 nearest of 40 tracks\n"
    assert run(*arguments, "--k", 3).stdout == message
    assert "holds other neighbours" in error_line(*arguments)
