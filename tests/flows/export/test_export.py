"""Exports, read without tonelake: by pandas, DuckDB, Lance, faiss and hnswlib."""

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

import lake.export.formats as formats
from flows.export.export import ExportRequest, write_export
from flows.search.search import search
from lake.export.log import list_exports
from schemas.errors import UserError
from schemas.exports import FORMATS, NEIGHBOURS
from schemas.settings import S3Settings, Settings
from tests.cli import error_line, run, run_json
from tests.flows.released import IDS, TABLE, create_lake, publish_release, use_small_parts, write_rows
from tests.lake.rows import SPEC, unit_vector


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    use_small_parts(monkeypatch)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A lake whose live release 2 lost three tracks and gained two; nothing writes to it but exports."""
    home = create_lake(tmp_path_factory.mktemp("export") / "lake")
    home.table(TABLE).delete("track_id IN ('t000', 't017', 't039')")
    write_rows(home, ["x1", "x2"], year=1999, genres=["Jazz", "Pop"])
    publish_release(home)
    return home


def export_to(home, folder, **options):
    return write_export(ExportRequest(str(folder), **options), Settings(lake=home.uri), print)


def nearest_by_tonelake(home, track):
    hits = search(Settings(lake=home.uri), like=track, k=5)
    return [hit.track_id for hit in hits], [hit.score for hit in hits]


def test_parquet_is_read_by_pandas_and_duckdb(home, tmp_path):
    manifest = export_to(home, tmp_path / "out")
    frame = pd.concat(map(pd.read_parquet, sorted((tmp_path / "out").glob("*.parquet")))).set_index("track_id")
    assert sorted(frame.index) == sorted({*IDS, "x1", "x2"} - {"t000", "t017", "t039"})
    stored = home.table(TABLE).to_table()
    assert set(frame.columns) == set(stored.column_names) - {"track_id"}
    vectors = np.stack(frame["vector"].to_numpy())
    assert (vectors.dtype, vectors.shape) == (np.float32, (39, 8))
    np.testing.assert_array_equal(frame.loc["t003"]["vector"], unit_vector("t0031", 8).astype("f4"))
    assert list(frame.loc["t003"]["tag_names"]) == ["loud"]
    sql = f"SELECT count(*), sum(len(tags)), min(year) FROM '{tmp_path}/out/*.parquet' WHERE 'Jazz' IN genres"
    assert duckdb.sql(sql).fetchall() == [(2, 4, 1999)]
    expected, scores = nearest_by_tonelake(home, "t003")
    query = frame.loc["t003"]["vector"].tolist()
    rows = duckdb.sql(
        f"SELECT track_id, array_cosine_similarity(vector::FLOAT[8], {query}::FLOAT[8]) AS score "
        f"FROM '{tmp_path}/out/*.parquet' WHERE track_id != 't003' ORDER BY score DESC LIMIT 5"
    ).fetchall()
    assert [row[0] for row in rows] == expected
    np.testing.assert_allclose([row[1] for row in rows], scores, atol=1e-5)
    assert [file["name"] for file in manifest["files"]].count("registry/part-00000.parquet") == 1
    assert len(manifest["files"]) == 6


def test_the_manifest_describes_the_export_and_its_checksums_hold(home, tmp_path):
    export_to(home, tmp_path / "out")
    manifest = json.loads((tmp_path / "out/manifest.json").read_text())
    assert (manifest["release"], manifest["tracks"], manifest["embedding_version"]) == (2, 39, SPEC.embedding_version)
    assert manifest["snapshot"]["table"] == TABLE
    assert manifest["encoder"] == json.loads(SPEC.to_json())
    out = tmp_path / "out"
    assert {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()} == {
        "manifest.json",
        *(file["name"] for file in manifest["files"]),
    }
    for file in manifest["files"]:
        path = tmp_path / "out" / file["name"]
        assert (path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest()) == (file["bytes"], file["sha256"])
        groups = pq.ParquetFile(path).metadata
        assert groups.num_rows == file["rows"]
        if file["name"].startswith("part-"):
            assert groups.row_group(0).num_rows == min(4, file["rows"])
    (recorded,) = (export for export in list_exports(home) if export.uri == str(tmp_path / "out"))
    assert (recorded.release, recorded.format, recorded.tracks, recorded.since) == (2, "parquet", 39, None)


def test_an_earlier_release_and_a_table_without_one(home, tmp_path):
    assert export_to(home, tmp_path / "old", release=1)["tracks"] == 40
    manifest = export_to(home, tmp_path / "table", embedding_version=SPEC.embedding_version)
    assert (manifest["release"], manifest["tracks"]) == (None, 39)
    assert manifest["snapshot"]["lance_version"] == home.table(TABLE).version


def test_numpy_rows_are_in_the_order_of_the_tracks(home, tmp_path):
    export_to(home, tmp_path / "out", format="npy")
    vectors = np.load(tmp_path / "out/vectors.npy", mmap_mode="r")
    tracks = pd.read_parquet(tmp_path / "out/tracks.parquet")
    assert (vectors.shape, vectors.dtype, len(tracks)) == ((39, 8), np.float32, 39)
    assert "vector" not in tracks
    row = tracks.index[tracks["track_id"] == "t021"][0]
    np.testing.assert_array_equal(vectors[row], unit_vector("t0211", 8).astype("f4"))
    expected, _ = nearest_by_tonelake(home, "t021")
    assert tracks["track_id"][np.argsort(-(vectors @ vectors[row]))].tolist()[:6] == ["t021", *expected]


def test_lance_is_one_version_of_a_data_set(home, tmp_path):
    export_to(home, tmp_path / "out", format="lance")
    table = lance.dataset(str(tmp_path / "out/tracks.lance"))
    assert (table.count_rows(), table.version) == (39, 1)
    nearest = {"column": "vector", "q": unit_vector("t0211", 8).astype("f4"), "k": 6, "metric": "cosine"}
    expected, _ = nearest_by_tonelake(home, "t021")
    assert table.to_table(columns=["track_id"], nearest=nearest)["track_id"].to_pylist() == ["t021", *expected]


@pytest.mark.parametrize("flat_rows", [20_000, 10])
def test_faiss_finds_what_tonelake_finds(home, tmp_path, monkeypatch, flat_rows):
    monkeypatch.setattr(formats, "FLAT_ROWS", flat_rows)
    manifest = export_to(home, tmp_path / "out", format="faiss")
    assert manifest["index"]["kind"] == ("flat" if flat_rows > 39 else "hnsw")
    index, tracks = (
        faiss.read_index(str(tmp_path / "out/index.faiss")),
        pd.read_parquet(tmp_path / "out/tracks.parquet"),
    )
    scores, rows = index.search(unit_vector("t0211", 8).astype("f4")[None], 6)
    expected, cosines = nearest_by_tonelake(home, "t021")
    assert tracks["track_id"][rows[0]].tolist() == ["t021", *expected]
    np.testing.assert_allclose(scores[0][1:], cosines, atol=1e-3)  # stored as float16: unit length to three digits


def test_hnswlib_finds_what_tonelake_finds(home, tmp_path):
    hnswlib = pytest.importorskip("hnswlib")
    manifest = export_to(home, tmp_path / "out", format="hnsw")
    index = hnswlib.Index(manifest["index"]["space"], manifest["dim"])
    index.load_index(str(tmp_path / "out/index.hnsw"))
    index.set_ef(50)
    tracks = pd.read_parquet(tmp_path / "out/tracks.parquet")
    rows, _ = index.knn_query(unit_vector("t0211", 8).astype("f4"), 6)
    assert tracks["track_id"][rows[0]].tolist() == ["t021", *nearest_by_tonelake(home, "t021")[0]]


@pytest.mark.parametrize("form", [form for form in FORMATS if form != NEIGHBOURS])  # test_neighbours.py has Ray
def test_a_repeated_export_writes_nothing_and_another_is_refused(home, tmp_path, form):
    pytest.importorskip("hnswlib" if form == "hnsw" else "faiss")
    assert export_to(home, tmp_path / "out", format=form)["done"]
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")}
    assert not export_to(home, tmp_path / "out", format=form)["done"]
    for other in ({"release": 1}, {"format": "npy" if form != "npy" else "lance"}, {"since": 1}):
        with pytest.raises(
            UserError, match=r"holds another export \(release 2 as .*give another folder, or --replace it"
        ):
            export_to(home, tmp_path / "out", **{"format": form} | other)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")} == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]


def test_unusable_destinations_are_refused(home, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full/letter.txt").write_text("text")
    cases = {
        "full": "holds files that are no export: give an empty folder or a new one",
        "full/letter.txt": "is a file: name a folder below one",
        "ftp://there": "use a local path or s3://bucket/prefix",
    }
    for name, message in cases.items():
        with pytest.raises(UserError, match=message):
            export_to(home, name if "://" in name else tmp_path / name)
    with pytest.raises(UserError, match="no format 'csv'; there are parquet, npy, lance, faiss, hnsw"):
        export_to(home, tmp_path / "out", format="csv")
    with pytest.raises(UserError, match="there is no release 9"):
        export_to(home, tmp_path / "out", release=9)
    with pytest.raises(UserError, match="holds files that are no export"):
        write_export(ExportRequest(str(tmp_path / "full")), Settings(lake=home.uri), print, replaces=True)
    (tmp_path / "empty").mkdir()
    assert export_to(home, tmp_path / "empty")["done"]
    assert (tmp_path / "full/letter.txt").read_text() == "text"


def test_a_missing_package_is_named_with_the_command_that_installs_it(home, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "faiss", None)
    with pytest.raises(UserError, match="pip install faiss-cpu"):
        export_to(home, tmp_path / "out", format="faiss")
    assert not (tmp_path / "out").exists()


def test_an_export_to_a_store(s3_bucket):
    home = create_lake(f"{s3_bucket}/lake")
    for form in ("parquet", "npy", "lance"):
        manifest = export_to(home, f"{s3_bucket}/{form}", format=form)
        assert not export_to(home, f"{s3_bucket}/{form}", format=form)["done"]
        files = home.file_system()
        names = {path.split(f"/{form}/", 1)[1] for path in files.find(f"{s3_bucket}/{form}")}
        assert names == {"manifest.json", *(file["name"] for file in manifest["files"])}
        for file in manifest["files"]:
            content = files.cat_file(f"{s3_bucket}/{form}/{file['name']}")
            assert hashlib.sha256(content).hexdigest() == file["sha256"]
    table = lance.dataset(f"{s3_bucket}/lance/tracks.lance", storage_options=S3Settings().lance_options())
    assert (table.count_rows(), table.version) == (40, 1)
    with home.file_system().open(f"{s3_bucket}/parquet/part-00004.parquet") as file:
        assert len(pd.read_parquet(file)) == 8
    with pytest.raises(UserError, match="holds another export"):
        export_to(home, f"{s3_bucket}/parquet", format="npy")
    home.file_system().pipe_file(f"{s3_bucket}/mine/letter.txt", b"text")
    with pytest.raises(UserError, match="no export"):
        export_to(home, f"{s3_bucket}/mine")


def test_the_command(home, tmp_path):
    done = run("--lake", home.uri, "export", tmp_path / "out", "--release", 1)
    assert done.stdout == f"release 1 (made-up {SPEC.embedding_version}), 40 tracks: {tmp_path}/out\n"
    assert "holds another export" in error_line("--lake", home.uri, "export", tmp_path / "out")
    assert run("--lake", home.uri, "export", tmp_path / "out", "--replace").stdout.startswith("release 2")
    listed = json.loads(run("--lake", home.uri, "--json", "exports").stdout)
    assert (str(tmp_path / "out"), 2) in {(row["uri"], row["release"]) for row in listed}
    since = run_json(home.uri, "export", tmp_path / "new", "--since", 1, "--release", 2)
    assert (since["tracks"], since["removed"], since["done"]) == (2, 3, True)
    assert Path(since["folder"], "removed.parquet").is_file()
    assert home.table("runs").count_rows("command = 'export' AND status = 'done'") > 1
    with pytest.raises(UserError, match="no lake at"):
        write_export(ExportRequest(str(tmp_path / "more")), Settings(lake=str(tmp_path / "nowhere")), print)
