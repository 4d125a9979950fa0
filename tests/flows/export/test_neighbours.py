"""All neighbours of a release in a file, on a real Ray; read by pandas and DuckDB."""

import os
import signal

import duckdb
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

import flows.export.neighbours
from flows.export.neighbours import Neighbours, similar
from flows.export.rebuild import again
from flows.search.search import find
from lake.export.log import exports
from schemas.errors import UserError
from schemas.settings import Settings
from tests.cli import refused, run
from tests.flows.released import IDS, TABLE, lake_at, python, rebuilt, released, write

KILLED = """
import sys
import flows.export.neighbours
from flows.cli.main import app
flows.export.neighbours.BLOCK_ROWS = 7
add = flows.export.neighbours.File.add
def stopping(self, block, *part):
    add(self, block, *part)
    if block == 2:
        print("here", flush=True)
        sys.stdin.readline()
flows.export.neighbours.File.add = stopping
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
    return lake_at(tmp_path / "lake")


def written(home, file, k=5, **asked):
    return similar(Neighbours(str(file), k, **asked), Settings(lake=home.uri), print)


def test_neighbours_are_those_that_a_search_finds(home, tmp_path):
    assert written(home, tmp_path / "near.parquet")["done"]
    frame = pd.read_parquet(tmp_path / "near.parquet")
    assert frame["track_id"].tolist() == IDS
    for track in ("t000", "t021", "t039"):
        found = find(Settings(lake=home.uri), like=track, k=5)
        row = frame.set_index("track_id").loc[track]
        assert list(row["neighbours"]) == [one["track_id"] for one in found]
        np.testing.assert_allclose(row["scores"], [one["score"] for one in found], atol=1e-5)
    pairs = frame.explode(["neighbours", "scores"])
    sql = f"SELECT track_id, unnest(neighbours) AS other, unnest(scores) AS score FROM '{tmp_path}/near.parquet'"
    assert duckdb.sql(sql).fetchall() == [tuple(row) for row in pairs.itertuples(index=False)]
    assert len(pairs) == 200
    assert not written(home, tmp_path / "near.parquet")["done"]
    (known,) = exports(home)
    assert (known.format, known.k, known.tracks, known.release) == ("similar", 5, 40, 1)


def test_the_same_vectors_give_the_same_lists_however_they_lie_in_the_table(home, tmp_path):
    written(home, tmp_path / "one.parquet")
    rows = home.table(TABLE).to_table(filter="track_id < 't010'")
    home.table(TABLE).delete("track_id < 't010'")
    home.table(TABLE).merge_insert("track_id").when_not_matched_insert_all().execute(rows)
    released(home)
    written(home, tmp_path / "two.parquet")
    assert pq.read_table(tmp_path / "one.parquet").equals(pq.read_table(tmp_path / "two.parquet"))


def test_fewer_tracks_than_asked_for_and_twins(home, tmp_path):
    write(home, ["twin"], vector=home.table(TABLE).to_table(filter="track_id = 't003'")["vector"][0].as_py())
    released(home)
    written(home, tmp_path / "all.parquet", k=100)
    frame = pd.read_parquet(tmp_path / "all.parquet").set_index("track_id")
    assert set(frame["neighbours"].map(len)) == {40}
    assert frame.loc["t003"]["neighbours"][0] == "twin"  # identical content is a neighbour
    assert all(track not in row for track, row in frame["neighbours"].items())


def test_a_track_that_is_alone_has_no_neighbour(tmp_path):
    written(lake_at(tmp_path / "lake", ["only"]), tmp_path / "near.parquet")
    assert pq.read_table(tmp_path / "near.parquet").to_pylist() == [
        {"track_id": "only", "neighbours": [], "scores": []}
    ]


def test_killed_it_goes_on_with_the_blocks_it_has(home, tmp_path):
    out, stage = tmp_path / "near.parquet", tmp_path / ".near.parquet.unfinished"
    process = python(KILLED, home.uri, out)
    assert process.stdout.readline() == "here\n", process.stderr.read()
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not out.exists()
    parts = {path.name for path in stage.glob("part-*")}
    assert parts == {f"part-00000{block}.parquet" for block in range(3)}
    (stage / "part-000000.parquet").touch()
    done = []
    add = flows.export.neighbours.File.add
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            flows.export.neighbours.File,
            "add",
            lambda self, block, *part: (done.append(block), add(self, block, *part)),
        )
        written(home, out)
    assert done == [3, 4, 5]
    assert not stage.exists()
    written(home, tmp_path / "reference.parquet")
    assert out.read_bytes() == (tmp_path / "reference.parquet").read_bytes()


def test_after_a_takedown_it_is_written_anew(home, tmp_path):
    written(home, tmp_path / "near.parquet")
    written(home, tmp_path / "gone.parquet")
    (tmp_path / "gone.parquet").write_text("something else")
    rebuilt(home, "t005")
    states = {one.uri: again(home, Settings(lake=home.uri), one, print).state for one in exports(home)}
    assert states == {str(tmp_path / "near.parquet"): "written anew", str(tmp_path / "gone.parquet"): "gone"}
    assert b"t005" not in (tmp_path / "near.parquet").read_bytes()
    assert "t005" not in set(pd.read_parquet(tmp_path / "near.parquet").explode("neighbours")["neighbours"])
    assert [one.tracks for one in exports(home)] == [39]


def test_what_is_no_place_for_neighbours(home, tmp_path):
    written(home, tmp_path / "near.parquet")
    with pytest.raises(UserError, match="holds other neighbours: give another name"):
        written(home, tmp_path / "near.parquet", k=6)
    pd.DataFrame({"mine": [1]}).to_parquet(tmp_path / "mine.parquet")
    (tmp_path / "mine.txt").write_text("mine")
    for name in ("mine.parquet", "mine.txt"):
        with pytest.raises(UserError, match="something else than neighbours"):
            written(home, tmp_path / name)
    with pytest.raises(UserError, match=r"is a folder: name a file, such as .*similar.parquet"):
        written(home, tmp_path)


def test_in_a_store(s3_bucket, monkeypatch):
    monkeypatch.setattr(flows.export.neighbours, "BLOCK_ROWS", 7)
    home = lake_at(f"{s3_bucket}/lake")
    assert written(home, f"{s3_bucket}/near.parquet")["done"]
    assert not written(home, f"{s3_bucket}/near.parquet")["done"]
    with home.files().open(f"{s3_bucket}/near.parquet") as file:
        assert len(pd.read_parquet(file)) == 40


def test_the_command(home, tmp_path):
    written(home, tmp_path / "near.parquet", k=3)
    asked = ("--lake", home.uri, "similar", "--out", tmp_path / "near.parquet")
    told = f"nothing to do: {tmp_path}/near.parquet holds the 3 nearest of 40 tracks\n"
    assert run(*asked, "--k", 3).stdout == told
    assert "holds other neighbours" in refused(*asked)
