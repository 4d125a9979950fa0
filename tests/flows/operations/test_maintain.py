"""Maintenance of a lake: no row is lost, leftovers are removed, and only while nobody writes."""

import uuid
from dataclasses import replace

import lance
import numpy as np
import pyarrow as pa
import pytest

import lake.embeddings.indexes
import lake.storage.lease
from flows.operations.doctor import examine_lakes
from flows.operations.maintain import MaintainRequest, maintain
from lake.embeddings.indexes import update_indexes
from lake.embeddings.search import search
from lake.maintenance.cleanup import table_files, unfinished_uploads
from lake.releases.publish import draft, publish
from lake.releases.releases import find_release, live_release, open_release, take_snapshot
from lake.storage.lease import Lease, LeaseName
from schemas.embeddings import embeddings_schema
from schemas.errors import UserError
from schemas.settings import Settings
from schemas.tables import embeddings_table, features_table, windows_table
from tests.cli import kill_group, run, run_json, start
from tests.lake.rows import SPEC, make_small_lake, unit_vector

TABLE = embeddings_table(SPEC)
WIDE = replace(SPEC, head=replace(SPEC.head, dim=32))


@pytest.fixture(params=["local", "s3"])
def uri(request, tmp_path):
    return str(tmp_path / "lake") if request.param == "local" else request.getfixturevalue("s3_bucket")


@pytest.fixture
def fast_heartbeat(monkeypatch):
    """A live lease holder sends its heartbeat at once."""
    monkeypatch.setattr(lake.storage.lease, "HEARTBEAT_SECONDS", 0.1)


def run_maintenance(home, **options):
    results = maintain(MaintainRequest(**{"retention_days": 14} | options), Settings(lake=home.uri), print)
    return {(result.lake, result.table): result for result in results}


def rows(home, name=TABLE, version=None):
    home = home.pin(name, version) if version else home
    return home.table(name).to_table().sort_by("track_id").to_pylist()


def search_results(home):
    return search(home, SPEC, unit_vector("query", 8), 5)


def add_orphan_file(home, name=TABLE):
    """Add a data file as a killed run leaves it, and return its path."""
    files = home.file_system()
    source = files.glob(f"{home.table_uri(name)}/data/*.lance")[0]
    path = f"{home.table_uri(name)}/data/{uuid.uuid4().hex}.lance"
    files.cp_file(source, path)
    return path


def start_upload(home):
    """Start a multipart upload that is never completed."""
    bucket, _, prefix = home.uri.removeprefix("s3://").partition("/")
    home.file_system().call_s3("create_multipart_upload", Bucket=bucket, Key=f"{prefix}/{TABLE}.lance/data/part.lance")


def test_small_commits_become_few_fragments_and_nothing_else_changes(uri):
    home = make_small_lake(uri, commits=6)
    before = {name: rows(home, name) for name in (TABLE, features_table(SPEC), windows_table(SPEC))}
    neighbours, fragments = search_results(home), len(home.table(TABLE).get_fragments())
    results = maintain(MaintainRequest(14, dry_run=True), Settings(lake=uri), print)
    planned = {result.table: result for result in results}
    assert planned[TABLE].done[0] == "would compact 6 fragments"
    assert len(home.table(TABLE).get_fragments()) == fragments == 6
    result = run_maintenance(home)[home.uri, TABLE]
    assert result.done[0] == "compacted 6 fragments, the table has 1 now"
    for name, rows_before in before.items():
        assert len(home.table(name).get_fragments()) == 1
        assert rows(home, name) == rows_before
    assert search_results(home) == neighbours
    assert run_maintenance(home)[home.uri, TABLE].done == ()
    assert examine_lakes(Settings(lake=uri)) == []
    recorded = home.table("runs").to_table(filter="command = 'maintain'").to_pylist()
    assert [row["status"] for row in recorded] == ["done", "done"]


def test_a_tagged_version_is_kept_beyond_the_retention_and_an_untagged_one_dropped(uri):
    home = make_small_lake(uri)
    table = home.table(TABLE)
    released, other = table.version - 1, table.version
    table.tags.create("release-1", released)
    released_rows = rows(home, version=released)
    results = run_maintenance(home)  # both versions are younger than the retention
    assert not any("old versions" in action for action in results[home.uri, TABLE].done)
    assert rows(home, version=other)
    result = run_maintenance(home, retention_days=0)[home.uri, TABLE]
    assert "old versions" in result.done[-1]
    assert rows(home, version=released) == released_rows
    with pytest.raises(ValueError, match="not found"):
        rows(home, version=other)
    assert examine_lakes(Settings(lake=uri)) == []


@pytest.mark.usefixtures("fast_heartbeat")
def test_unreferenced_files_are_removed_only_while_nobody_writes(uri):
    home = make_small_lake(uri)
    orphan = add_orphan_file(home)
    home.file_system().makedirs(f"{home.uri}/evaluations", exist_ok=True)
    home.file_system().pipe_file(f"{home.uri}/evaluations/abc.parquet", b"half of one")
    if uri.startswith("s3://"):
        start_upload(home)
    with Lease(home, TABLE, "other-run", print):
        results = run_maintenance(home)
        assert "run other-run" in results[home.uri, ""].skipped
        assert "run other-run" in results[home.uri, TABLE].skipped
        assert "run other-run" in results[home.uri, "tracks"].skipped
        assert home.file_system().exists(orphan)
        planned = maintain(MaintainRequest(14, dry_run=True), Settings(lake=uri), print)
        assert (planned[0].done, planned[0].skipped) == ((), "at work: other-run")
        assert not any(finding.check == "orphan" for finding in examine_lakes(Settings(lake=uri)))
    results = run_maintenance(home)
    assert not home.file_system().exists(orphan)
    assert not home.file_system().exists(f"{home.uri}/evaluations/abc.parquet")
    assert not list(unfinished_uploads(home))
    actions = " ".join(results[home.uri, ""].done)
    assert "1 orphan files" in actions
    assert "1 items of no evaluation" in actions
    assert ("1 unfinished uploads" in actions) == uri.startswith("s3://")
    assert examine_lakes(Settings(lake=uri)) == []


@pytest.mark.usefixtures("fast_heartbeat")
def test_the_snapshot_that_a_gate_reads_is_kept(tmp_path):
    home = make_small_lake(str(tmp_path))
    snapshot = take_snapshot(home, SPEC)
    home.table(TABLE).delete("track_id = 't0001'")
    with Lease(home, LeaseName.PROMOTE, "gate", print):
        assert "run gate" in run_maintenance(home, retention_days=0)[home.uri, TABLE].skipped
        assert len(rows(home, version=snapshot.lance_version)) == snapshot.tracks
    assert run_maintenance(home, retention_days=0)[home.uri, TABLE].done


@pytest.mark.usefixtures("fast_heartbeat")
def test_a_writer_that_comes_during_a_sweep_is_refused(uri):
    home = make_small_lake(uri)
    with Lease(home, LeaseName.SWEEP, "sweeper", print):
        with pytest.raises(UserError, match=r"run sweeper .* is writing sweep"):
            Lease(home, "embeddings__new__0", "run", print).__enter__()
        with Lease(home, TABLE, "sweeper", print):  # of the sweeper itself
            pass
    with Lease(home, "embeddings__new__0", "run", print) as lease:
        lease.check()


def test_a_table_folder_without_a_version_is_removed(uri):
    home, name = make_small_lake(uri), "windows__new__123456789abc"
    home.file_system().makedirs(f"{home.table_uri(name)}/_transactions", exist_ok=True)
    home.file_system().pipe_file(f"{home.table_uri(name)}/_transactions/0.txn", b"x")
    assert [finding.check for finding in examine_lakes(Settings(lake=uri))] == ["table"]
    run_maintenance(home)
    assert table_files(home, name) == {}
    assert examine_lakes(Settings(lake=uri)) == []
    assert home.open_or_create(name, pa.schema([pa.field("a", pa.int32())])).count_rows() == 0


def test_a_partly_written_local_file_is_removed(tmp_path):
    home = make_small_lake(str(tmp_path))
    partial = tmp_path / f"{TABLE}.lance" / "data" / "0101.lance#1"
    partial.write_bytes(b"x")
    assert "1 unfinished files" in run_maintenance(home)[home.uri, ""].done[0]
    assert not partial.exists()


def test_lakes_of_benchmarks_are_maintained_too(tmp_path):
    home = make_small_lake(str(tmp_path))
    clips = make_small_lake(f"{home.uri}/benchmarks/gtzan@1")
    results = run_maintenance(home)
    assert results[home.uri, TABLE].done
    assert results[clips.uri, TABLE].done
    add_orphan_file(clips)
    assert [finding.lake for finding in examine_lakes(Settings(lake=home.uri))] == [clips.uri]


def test_the_lake_is_whole_after_a_kill(uri):
    home = make_small_lake(uri, commits=6)
    add_orphan_file(home)
    rows_before, neighbours = rows(home), search_results(home)
    for name in ("embeddings", "tracks"):  # killed while it works on one table, then on another
        process = start("--lake", uri, "maintain", "--retention", "0")
        while name not in (line := process.stderr.readline()):
            assert line, "it ended before it was killed"
        kill_group(process)
        assert rows(home) == rows_before
        assert search_results(home) == neighbours
    assert {finding.check for finding in examine_lakes(Settings(lake=uri))} <= {"lease", "run", "orphan"}
    run("--lake", uri, "maintain", "--retention", "0")
    assert rows(home) == rows_before
    assert run_json(uri, "doctor") == []


def vectors(count, dim=32):
    values = np.random.default_rng(0).standard_normal((count, dim)).astype(np.float32)
    return values / np.linalg.norm(values, axis=1, keepdims=True)


def grow_table(path, count):
    """Append `count` rows with random vectors, and return the table."""
    schema = embeddings_schema(WIDE)
    existing = lance.dataset(path).count_rows() if path.exists() else 0
    table = pa.table({"track_id": [f"n{row:06d}" for row in range(existing, existing + count)]})
    table = table.append_column("vector", pa.FixedSizeListArray.from_arrays(pa.array(vectors(count).ravel()), 32))
    for field in schema:
        if field.name not in table.column_names:
            table = table.append_column(field, pa.nulls(count, field.type))
    return lance.write_dataset(table.select(schema.names).cast(schema), path, mode="append")


def index_kinds(path):
    return {
        index.field_names[0]: (index.index_type, index.num_rows_indexed, len(index.segments))
        for index in lance.dataset(path).describe_indices()
    }


def count_partitions(path):
    return len(lance.dataset(path).get_ivf_model("vector_idx").centroids)


def test_the_kind_of_the_vector_index_follows_the_size_of_the_table(tmp_path, monkeypatch):
    monkeypatch.setattr(lake.embeddings.indexes, "VECTOR_INDEX_ROWS", 200)
    monkeypatch.setattr(lake.embeddings.indexes, "HNSW_MAX_ROWS", 400)
    path, name = tmp_path / "embeddings__wide__0.lance", "embeddings__wide__0"
    update_indexes(grow_table(path, 100), name)
    assert "vector" not in index_kinds(path)
    assert index_kinds(path)["track_id"] == ("BTree", 100, 1)
    update_indexes(grow_table(path, 200), name)
    assert index_kinds(path)["vector"] == ("IVF_HNSW_SQ", 300, 1)
    update_indexes(grow_table(path, 50), name)
    assert index_kinds(path)["vector"] == ("IVF_HNSW_SQ", 350, 2)  # a run extends the index
    monkeypatch.setattr(lake.embeddings.indexes, "MAX_SEGMENTS", 1)
    assert update_indexes(lance.dataset(path), name) == []
    assert update_indexes(lance.dataset(path), name, merge=True) == ["built IVF_HNSW_SQ of vector"]
    assert index_kinds(path)["vector"] == ("IVF_HNSW_SQ", 350, 1)
    assert update_indexes(grow_table(path, 150), name)[0] == "built IVF_RQ of vector"
    assert index_kinds(path)["vector"] == ("IVF_RQ", 500, 1)
    assert "added 20 rows to vector_idx" in update_indexes(grow_table(path, 20), name)
    assert count_partitions(path) == 22  # extended, not rebuilt
    assert "built IVF_RQ of vector" in update_indexes(grow_table(path, 1680), name)  # four times as large
    assert count_partitions(path) == 46
    nearest = {"column": "vector", "q": vectors(3)[2], "k": 1, "nprobes": 46, "refine_factor": 10}
    assert lance.dataset(path).to_table(nearest=nearest, columns=["track_id"])["track_id"][0].as_py()[-3:] == "002"


def test_files_of_old_releases_are_dropped(uri):
    home = make_small_lake(uri)
    for number in range(4):
        newest = live_release(home)
        publish(home, draft(newest, take_snapshot(home, SPEC), f"run-{number}", "index"), print)
        delete = home.table(TABLE).delete(f"track_id = 't{number:04d}'")
        assert delete["num_deleted_rows"] == 1
    rows_by_release = [rows(open_release(home, find_release(home, number))[0]) for number in (1, 2, 3, 4)]
    settings = Settings(lake=uri, kept_releases=2)
    results = maintain(MaintainRequest(retention_days=0), settings, print)
    actions = [action for result in results for action in result.done]
    assert any("dropped the files of 2 releases, up to 2" in action for action in actions)
    for number in (1, 2):
        with pytest.raises(UserError, match=f"the files of release {number} .* were removed"):
            open_release(home, find_release(home, number))
    assert [rows(open_release(home, find_release(home, number))[0]) for number in (3, 4)] == rows_by_release[2:]
