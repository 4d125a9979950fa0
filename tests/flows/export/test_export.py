"""An export, read by what its readers have: pandas, DuckDB, Lance, faiss, hnswlib; none of them with tonelake."""

import hashlib
import json
from pathlib import Path

import duckdb
import faiss
import lance
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

import lake.export.formats
from flows.export.export import ExportRequest, export
from flows.search.search import find
from lake.export.log import exports
from schemas.errors import UserError
from schemas.exports import FORMATS
from schemas.settings import S3Settings, Settings
from tests.cli import answer, refused, run
from tests.flows.released import IDS, TABLE, lake_at, released, small, write
from tests.lake.rows import SPEC, unit


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    small(monkeypatch)


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """A lake whose live release 2 lost three tracks and gained two; nothing writes to it but exports."""
    home = lake_at(tmp_path_factory.mktemp("export") / "lake")
    home.table(TABLE).delete("track_id IN ('t000', 't017', 't039')")
    write(home, ["x1", "x2"], year=1999, genres=["Jazz", "Pop"])
    released(home)
    return home


def exported(home, folder, **asked):
    return export(ExportRequest(str(folder), **asked), Settings(lake=home.uri), print)


def nearest_by_tonelake(home, track):
    found = find(Settings(lake=home.uri), like=track, k=5)
    return [row["track_id"] for row in found], [row["score"] for row in found]


def test_parquet_is_read_by_pandas_and_duckdb(sound, tmp_path):
    manifest = exported(sound, tmp_path / "out")
    frame = pd.concat(map(pd.read_parquet, sorted((tmp_path / "out").glob("*.parquet")))).set_index("track_id")
    assert sorted(frame.index) == sorted({*IDS, "x1", "x2"} - {"t000", "t017", "t039"})
    stored = sound.table(TABLE).to_table()
    assert set(frame.columns) == set(stored.column_names) - {"track_id"}
    vectors = np.stack(frame["vector"].to_numpy())
    assert (vectors.dtype, vectors.shape) == (np.float32, (39, 8))
    np.testing.assert_array_equal(frame.loc["t003"]["vector"], unit("t0031", 8).astype("f4"))
    assert list(frame.loc["t003"]["tag_names"]) == ["loud"]
    sql = f"SELECT count(*), sum(len(tags)), min(year) FROM '{tmp_path}/out/*.parquet' WHERE 'Jazz' IN genres"
    assert duckdb.sql(sql).fetchall() == [(2, 4, 1999)]
    ours, scores = nearest_by_tonelake(sound, "t003")
    query = frame.loc["t003"]["vector"].tolist()
    theirs = duckdb.sql(
        f"SELECT track_id, array_cosine_similarity(vector::FLOAT[8], {query}::FLOAT[8]) AS score "
        f"FROM '{tmp_path}/out/*.parquet' WHERE track_id != 't003' ORDER BY score DESC LIMIT 5"
    ).fetchall()
    assert [row[0] for row in theirs] == ours
    np.testing.assert_allclose([row[1] for row in theirs], scores, atol=1e-5)
    assert len(manifest["files"]) == 5


def test_the_manifest_tells_what_it_is_of_and_the_checksums_hold(sound, tmp_path):
    exported(sound, tmp_path / "out")
    manifest = json.loads((tmp_path / "out/manifest.json").read_text())
    assert (manifest["release"], manifest["tracks"], manifest["embedding_version"]) == (2, 39, SPEC.embedding_version)
    assert manifest["snapshot"]["table"] == TABLE
    assert manifest["encoder"] == json.loads(SPEC.to_json())
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "manifest.json",
        *(file["name"] for file in manifest["files"]),
    }
    for file in manifest["files"]:
        path = tmp_path / "out" / file["name"]
        assert (path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest()) == (file["bytes"], file["sha256"])
        groups = pq.ParquetFile(path).metadata
        assert (groups.num_rows, groups.row_group(0).num_rows) == (file["rows"], min(4, file["rows"]))
    (row,) = (one for one in exports(sound) if one.uri == str(tmp_path / "out"))
    assert (row.release, row.format, row.tracks, row.since) == (2, "parquet", 39, None)


def test_an_earlier_release_and_a_table_without_one(sound, tmp_path):
    assert exported(sound, tmp_path / "old", number=1)["tracks"] == 40
    alone = exported(sound, tmp_path / "table", embedding_version=SPEC.embedding_version)
    assert (alone["release"], alone["tracks"]) == (None, 39)
    assert alone["snapshot"]["lance_version"] == sound.table(TABLE).version


def test_numpy_rows_are_in_the_order_of_the_tracks(sound, tmp_path):
    exported(sound, tmp_path / "out", format="npy")
    vectors = np.load(tmp_path / "out/vectors.npy", mmap_mode="r")
    tracks = pd.read_parquet(tmp_path / "out/tracks.parquet")
    assert (vectors.shape, vectors.dtype, len(tracks)) == ((39, 8), np.float32, 39)
    assert "vector" not in tracks
    place = tracks.index[tracks["track_id"] == "t021"][0]
    np.testing.assert_array_equal(vectors[place], unit("t0211", 8).astype("f4"))
    ours, _ = nearest_by_tonelake(sound, "t021")
    assert tracks["track_id"][np.argsort(-(vectors @ vectors[place]))].tolist()[:6] == ["t021", *ours]


def test_lance_is_one_version_of_a_data_set(sound, tmp_path):
    exported(sound, tmp_path / "out", format="lance")
    table = lance.dataset(str(tmp_path / "out/tracks.lance"))
    assert (table.count_rows(), table.version) == (39, 1)
    nearest = {"column": "vector", "q": unit("t0211", 8).astype("f4"), "k": 6, "metric": "cosine"}
    ours, _ = nearest_by_tonelake(sound, "t021")
    assert table.to_table(columns=["track_id"], nearest=nearest)["track_id"].to_pylist() == ["t021", *ours]


@pytest.mark.parametrize("flat_rows", [20_000, 10])
def test_faiss_finds_what_tonelake_finds(sound, tmp_path, monkeypatch, flat_rows):
    monkeypatch.setattr(lake.export.formats, "FLAT_ROWS", flat_rows)
    manifest = exported(sound, tmp_path / "out", format="faiss")
    assert manifest["index"]["kind"] == ("flat" if flat_rows > 39 else "hnsw")
    index, tracks = (
        faiss.read_index(str(tmp_path / "out/index.faiss")),
        pd.read_parquet(tmp_path / "out/tracks.parquet"),
    )
    scores, found = index.search(unit("t0211", 8).astype("f4")[None], 6)
    ours, cosines = nearest_by_tonelake(sound, "t021")
    assert tracks["track_id"][found[0]].tolist() == ["t021", *ours]
    np.testing.assert_allclose(scores[0][1:], cosines, atol=1e-3)  # f4 of float16: unit to three digits


def test_hnswlib_finds_what_tonelake_finds(sound, tmp_path):
    hnswlib = pytest.importorskip("hnswlib")
    manifest = exported(sound, tmp_path / "out", format="hnsw")
    index = hnswlib.Index(manifest["index"]["space"], manifest["dim"])
    index.load_index(str(tmp_path / "out/index.hnsw"))
    index.set_ef(50)
    tracks = pd.read_parquet(tmp_path / "out/tracks.parquet")
    found, _ = index.knn_query(unit("t0211", 8).astype("f4"), 6)
    assert tracks["track_id"][found[0]].tolist() == ["t021", *nearest_by_tonelake(sound, "t021")[0]]


@pytest.mark.parametrize("form", FORMATS)
def test_the_same_again_is_nothing_to_do_and_another_is_refused(sound, tmp_path, form):
    pytest.importorskip("hnswlib" if form == "hnsw" else "faiss")
    assert exported(sound, tmp_path / "out", format=form)["done"]
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")}
    assert not exported(sound, tmp_path / "out", format=form)["done"]
    for other in ({"number": 1}, {"format": "npy" if form != "npy" else "lance"}, {"since": 1}):
        with pytest.raises(
            UserError, match=r"holds another export \(release 2 as .*give another folder, or --replace it"
        ):
            exported(sound, tmp_path / "out", **{"format": form} | other)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")} == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]


def test_what_is_no_place_for_an_export(sound, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full/letter.txt").write_text("mine")
    cases = {
        "full": "holds files that are no export: give an empty folder or a new one",
        "full/letter.txt": "is a file: name a folder below one",
        "ftp://there": "use a local path or s3://bucket/prefix",
    }
    for name, message in cases.items():
        with pytest.raises(UserError, match=message):
            exported(sound, name if "://" in name else tmp_path / name)
    with pytest.raises(UserError, match="no format 'csv': use parquet, npy, lance, faiss, hnsw"):
        exported(sound, tmp_path / "out", format="csv")
    with pytest.raises(UserError, match="there is no release 9"):
        exported(sound, tmp_path / "out", number=9)
    with pytest.raises(UserError, match="holds files that are no export"):
        export(ExportRequest(str(tmp_path / "full")), Settings(lake=sound.uri), print, replaces=True)
    (tmp_path / "empty").mkdir()
    assert exported(sound, tmp_path / "empty")["done"]
    assert (tmp_path / "full/letter.txt").read_text() == "mine"


def test_a_missing_package_is_named_with_the_command_that_installs_it(sound, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "faiss", None)
    with pytest.raises(UserError, match="pip install faiss-cpu"):
        exported(sound, tmp_path / "out", format="faiss")
    assert not (tmp_path / "out").exists()


def test_an_export_to_a_store(s3_bucket):
    home = lake_at(f"{s3_bucket}/lake")
    for form in ("parquet", "npy", "lance"):
        manifest = exported(home, f"{s3_bucket}/{form}", format=form)
        assert not exported(home, f"{s3_bucket}/{form}", format=form)["done"]
        files = home.files()
        names = {path.split(f"/{form}/", 1)[1] for path in files.find(f"{s3_bucket}/{form}")}
        assert names == {"manifest.json", *(file["name"] for file in manifest["files"])}
        for file in manifest["files"]:
            content = files.cat_file(f"{s3_bucket}/{form}/{file['name']}")
            assert hashlib.sha256(content).hexdigest() == file["sha256"]
    table = lance.dataset(f"{s3_bucket}/lance/tracks.lance", storage_options=S3Settings().lance_options())
    assert (table.count_rows(), table.version) == (40, 1)
    with home.files().open(f"{s3_bucket}/parquet/part-00004.parquet") as file:
        assert len(pd.read_parquet(file)) == 8
    with pytest.raises(UserError, match="holds another export"):
        exported(home, f"{s3_bucket}/parquet", format="npy")
    home.files().pipe_file(f"{s3_bucket}/mine/letter.txt", b"mine")
    with pytest.raises(UserError, match="no export"):
        exported(home, f"{s3_bucket}/mine")


def test_the_command(sound, tmp_path):
    done = run("--lake", sound.uri, "export", tmp_path / "out", "--release", 1)
    assert done.stdout == f"release 1 (made-up {SPEC.embedding_version}), 40 tracks: {tmp_path}/out\n"
    assert "holds another export" in refused("--lake", sound.uri, "export", tmp_path / "out")
    assert run("--lake", sound.uri, "export", tmp_path / "out", "--replace").stdout.startswith("release 2")
    listed = json.loads(run("--lake", sound.uri, "--json", "exports").stdout)
    assert (str(tmp_path / "out"), 2) in {(row["uri"], row["release"]) for row in listed}
    since = answer(sound.uri, "export", tmp_path / "new", "--since", 1, "--release", 2)
    assert (since["tracks"], since["removed"], since["done"]) == (2, 3, True)
    assert Path(since["folder"], "removed.parquet").is_file()
    assert sound.table("runs").count_rows("command = 'export' AND status = 'done'") > 1
    with pytest.raises(UserError, match="no lake at"):
        export(ExportRequest(str(tmp_path / "more")), Settings(lake=str(tmp_path / "nowhere")), print)
