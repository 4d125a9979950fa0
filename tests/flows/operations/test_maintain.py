"""Maintenance of a lake: nothing that counts is lost, what is left over goes, and only while nobody writes."""

import uuid
from dataclasses import replace

import lance
import numpy as np
import pyarrow as pa
import pytest

import lake.embeddings.indexes
import lake.storage.lease
from flows.operations.doctor import doctor
from flows.operations.maintain import MaintainRequest, maintain
from lake.embeddings.indexes import update_indexes
from lake.embeddings.search import search
from lake.maintenance.cleanup import PROMOTE, files_of, unfinished_uploads
from lake.releases.releases import as_released, draft, live, publish, release, snapshot
from lake.storage.lease import SWEEP, Lease
from schemas.embeddings import embeddings_schema
from schemas.errors import UserError
from schemas.settings import Settings
from schemas.tables import embeddings_table, features_table, windows_table
from tests.cli import answer, kill_group, run, start
from tests.lake.rows import SPEC, small_lake, unit

TABLE = embeddings_table(SPEC)
WIDE = replace(SPEC, head=replace(SPEC.head, dim=32))


@pytest.fixture(params=["local", "s3"])
def uri(request, tmp_path):
    return str(tmp_path / "lake") if request.param == "local" else request.getfixturevalue("s3_bucket")


@pytest.fixture
def quick(monkeypatch):
    """A living holder shows itself at once."""
    monkeypatch.setattr(lake.storage.lease, "HEARTBEAT_SECONDS", 0.1)


def maintained(home, **asked):
    cares = maintain(MaintainRequest(**{"retention_days": 14} | asked), Settings(lake=home.uri), print)
    return {(care.lake, care.table): care for care in cares}


def rows(home, name=TABLE, version=None):
    home = home.pinned(name, version) if version else home
    return home.table(name).to_table().sort_by("track_id").to_pylist()


def found(home):
    return search(home, SPEC, unit("query", 8), 5)


def orphan(home, name=TABLE):
    """A data file that a killed run left."""
    files = home.files()
    source = files.glob(f"{home.uri_of(name)}/data/*.lance")[0]
    lost = f"{home.uri_of(name)}/data/{uuid.uuid4().hex}.lance"
    files.cp_file(source, lost)
    return lost


def upload(home):
    """A multipart upload that was begun and never ended."""
    bucket, _, prefix = home.uri.removeprefix("s3://").partition("/")
    home.files().call_s3("create_multipart_upload", Bucket=bucket, Key=f"{prefix}/{TABLE}.lance/data/part.lance")


def test_small_commits_become_few_fragments_and_nothing_else_changes(uri):
    home = small_lake(uri, commits=6)
    before = {name: rows(home, name) for name in (TABLE, features_table(SPEC), windows_table(SPEC))}
    neighbours, fragments = found(home), len(home.table(TABLE).get_fragments())
    planned = {care.table: care for care in maintain(MaintainRequest(14, dry_run=True), Settings(lake=uri), print)}
    assert planned[TABLE].done[0] == "would compact 6 fragments"
    assert len(home.table(TABLE).get_fragments()) == fragments == 6
    done = maintained(home)[home.uri, TABLE]
    assert done.done[0] == "compacted 6 fragments, 1 there are"
    for name, was in before.items():
        assert len(home.table(name).get_fragments()) == 1
        assert rows(home, name) == was
    assert found(home) == neighbours
    assert maintained(home)[home.uri, TABLE].done == ()
    assert doctor(Settings(lake=uri)) == []
    book = home.table("runs").to_table(filter="command = 'maintain'").to_pylist()
    assert [row["status"] for row in book] == ["done", "done"]


def test_a_tagged_version_outlives_its_retention_an_untagged_one_does_not(uri):
    home = small_lake(uri)
    table = home.table(TABLE)
    released, other = table.version - 1, table.version
    table.tags.create("release-1", released)
    was = rows(home, version=released)
    kept = maintained(home)  # of today: younger than the retention
    assert not any("old versions" in told for told in kept[home.uri, TABLE].done)
    assert rows(home, version=other)
    done = maintained(home, retention_days=0)[home.uri, TABLE]
    assert "old versions" in done.done[-1]
    assert rows(home, version=released) == was
    with pytest.raises(ValueError, match="not found"):
        rows(home, version=other)
    assert doctor(Settings(lake=uri)) == []


@pytest.mark.usefixtures("quick")
def test_what_no_version_names_goes_only_when_no_writer_is_at_work(uri):
    home = small_lake(uri)
    lost = orphan(home)
    home.files().makedirs(f"{home.uri}/evaluations", exist_ok=True)
    home.files().pipe_file(f"{home.uri}/evaluations/abc.parquet", b"half of one")
    if uri.startswith("s3://"):
        upload(home)
    with Lease(home, TABLE, "other-run", print):
        cares = maintained(home)
        assert "run other-run" in cares[home.uri, ""].skipped
        assert "run other-run" in cares[home.uri, TABLE].skipped
        assert "run other-run" in cares[home.uri, "tracks"].skipped
        assert home.files().exists(lost)
        planned = maintain(MaintainRequest(14, dry_run=True), Settings(lake=uri), print)
        assert (planned[0].done, planned[0].skipped) == ((), "at work: other-run")
        assert not any(finding.check == "orphan" for finding in doctor(Settings(lake=uri)))
    cares = maintained(home)
    assert not home.files().exists(lost)
    assert not home.files().exists(f"{home.uri}/evaluations/abc.parquet")
    assert not list(unfinished_uploads(home))
    told = " ".join(cares[home.uri, ""].done)
    assert "1 orphan files" in told
    assert "1 items of no evaluation" in told
    assert ("1 unfinished uploads" in told) == uri.startswith("s3://")
    assert doctor(Settings(lake=uri)) == []


@pytest.mark.usefixtures("quick")
def test_what_a_gate_reads_stays_until_it_is_judged(tmp_path):
    home = small_lake(str(tmp_path))
    taken = snapshot(home, SPEC)
    home.table(TABLE).delete("track_id = 't0001'")
    with Lease(home, PROMOTE, "gate", print):
        assert "run gate" in maintained(home, retention_days=0)[home.uri, TABLE].skipped
        assert len(rows(home, version=taken.lance_version)) == taken.tracks
    assert maintained(home, retention_days=0)[home.uri, TABLE].done


@pytest.mark.usefixtures("quick")
def test_a_writer_that_comes_during_a_sweep_is_told(uri):
    home = small_lake(uri)
    with Lease(home, SWEEP, "sweeper", print):
        with pytest.raises(UserError, match=r"run sweeper .* is writing sweep"):
            Lease(home, "embeddings__new__0", "run", print).__enter__()
        with Lease(home, TABLE, "sweeper", print):  # the sweeper's own
            pass
    with Lease(home, "embeddings__new__0", "run", print) as lease:
        lease.check()


def test_a_table_never_made_does_not_stand_in_the_way_for_ever(uri):
    home, name = small_lake(uri), "windows__new__123456789abc"
    home.files().makedirs(f"{home.uri_of(name)}/_transactions", exist_ok=True)
    home.files().pipe_file(f"{home.uri_of(name)}/_transactions/0.txn", b"x")
    assert [finding.check for finding in doctor(Settings(lake=uri))] == ["table"]
    maintained(home)
    assert files_of(home, name) == {}
    assert doctor(Settings(lake=uri)) == []
    assert home.ensure(name, pa.schema([pa.field("a", pa.int32())])).count_rows() == 0


def test_a_local_file_half_written_goes(tmp_path):
    home = small_lake(str(tmp_path))
    half = tmp_path / f"{TABLE}.lance" / "data" / "0101.lance#1"
    half.write_bytes(b"x")
    assert "1 unfinished files" in maintained(home)[home.uri, ""].done[0]
    assert not half.exists()


def test_lakes_of_benchmarks_are_cared_for_too(tmp_path):
    home = small_lake(str(tmp_path))
    clips = small_lake(f"{home.uri}/benchmarks/gtzan@1")
    cares = maintained(home)
    assert cares[home.uri, TABLE].done
    assert cares[clips.uri, TABLE].done
    orphan(clips)
    assert [finding.lake for finding in doctor(Settings(lake=home.uri))] == [clips.uri]


def test_killed_in_the_middle_the_lake_is_whole(uri):
    home = small_lake(uri, commits=6)
    orphan(home)
    was, neighbours = rows(home), found(home)
    for name in ("embeddings", "tracks"):  # killed while it works on one table, then on another
        process = start("--lake", uri, "maintain", "--retention", "0")
        while name not in (line := process.stderr.readline()):
            assert line, "it ended before it was killed"
        kill_group(process)
        assert rows(home) == was
        assert found(home) == neighbours
    assert {finding.check for finding in doctor(Settings(lake=uri))} <= {"lease", "run", "orphan"}
    run("--lake", uri, "maintain", "--retention", "0")
    assert rows(home) == was
    assert answer(uri, "doctor") == []


def vectors(count, dim=32):
    values = np.random.default_rng(0).standard_normal((count, dim)).astype(np.float32)
    return values / np.linalg.norm(values, axis=1, keepdims=True)


def grown(path, count):
    """Appends so many rows with random vectors."""
    schema = embeddings_schema(WIDE)
    there = lance.dataset(path).count_rows() if path.exists() else 0
    table = pa.table({"track_id": [f"n{row:06d}" for row in range(there, there + count)]})
    table = table.append_column("vector", pa.FixedSizeListArray.from_arrays(pa.array(vectors(count).ravel()), 32))
    for field in schema:
        if field.name not in table.column_names:
            table = table.append_column(field, pa.nulls(count, field.type))
    return lance.write_dataset(table.select(schema.names).cast(schema), path, mode="append")


def kinds(path):
    return {
        index.field_names[0]: (index.index_type, index.num_rows_indexed, len(index.segments))
        for index in lance.dataset(path).describe_indices()
    }


def partitions(path):
    return len(lance.dataset(path).get_ivf_model("vector_idx").centroids)


def test_the_kind_of_a_vector_index_is_chosen_again_as_the_table_grows(tmp_path, monkeypatch):
    monkeypatch.setattr(lake.embeddings.indexes, "VECTOR_INDEX_ROWS", 200)
    monkeypatch.setattr(lake.embeddings.indexes, "HNSW_MAX_ROWS", 400)
    path, name = tmp_path / "embeddings__wide__0.lance", "embeddings__wide__0"
    update_indexes(grown(path, 100), name)
    assert "vector" not in kinds(path)
    assert kinds(path)["track_id"] == ("BTree", 100, 1)
    update_indexes(grown(path, 200), name)
    assert kinds(path)["vector"] == ("IVF_HNSW_SQ", 300, 1)
    update_indexes(grown(path, 50), name)
    assert kinds(path)["vector"] == ("IVF_HNSW_SQ", 350, 2)  # a run extends
    monkeypatch.setattr(lake.embeddings.indexes, "MAX_SEGMENTS", 1)
    assert update_indexes(lance.dataset(path), name) == []
    assert update_indexes(lance.dataset(path), name, merge=True) == ["built IVF_HNSW_SQ of vector"]
    assert kinds(path)["vector"] == ("IVF_HNSW_SQ", 350, 1)
    assert update_indexes(grown(path, 150), name)[0] == "built IVF_RQ of vector"
    assert kinds(path)["vector"] == ("IVF_RQ", 500, 1)
    assert "added 20 rows to vector_idx" in update_indexes(grown(path, 20), name)
    assert partitions(path) == 22  # extended, not joined
    assert "built IVF_RQ of vector" in update_indexes(grown(path, 1680), name)  # four times as large
    assert partitions(path) == 46
    nearest = {"column": "vector", "q": vectors(3)[2], "k": 1, "nprobes": 46, "refine_factor": 10}
    assert lance.dataset(path).to_table(nearest=nearest, columns=["track_id"])["track_id"][0].as_py()[-3:] == "002"


def test_files_of_releases_that_are_no_longer_kept_are_given_up(uri):
    home = small_lake(uri)
    for number in range(4):
        newest = live(home)
        publish(home, draft(newest, snapshot(home, SPEC), f"run-{number}", "index"), print)
        delete = home.table(TABLE).delete(f"track_id = 't{number:04d}'")
        assert delete["num_deleted_rows"] == 1
    held = [rows(as_released(home, release(home, number))[0]) for number in (1, 2, 3, 4)]
    settings = Settings(lake=uri, kept_releases=2)
    done = maintain(MaintainRequest(retention_days=0), settings, print)
    assert any("gave up the files of 2 releases, up to 2" in told for care in done for told in care.done)
    for number in (1, 2):
        with pytest.raises(UserError, match=f"the files of release {number} .* were given up"):
            as_released(home, release(home, number))
    assert [rows(as_released(home, release(home, number))[0]) for number in (3, 4)] == held[2:]
