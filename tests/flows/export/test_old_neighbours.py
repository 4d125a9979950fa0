"""Files of `tonelake similar` in the log of exports: listed, kept or removed by a takedown."""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

import platformdirs
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flows.export.rebuild import rebuild_export
from lake.export.log import list_exports, record_export
from lake.releases.releases import find_release
from schemas import clock
from schemas.exports import Export
from schemas.settings import Settings
from tests.cli import error_line, run_here, run_json
from tests.flows.released import TABLE, create_lake, rebuild_first_release_without
from tests.lake.rows import SPEC


def old_plan(home, **columns):
    """Return the plan that `tonelake similar` of 0.2 wrote into its file of release 1."""
    snapshot = asdict(find_release(home, 1).snapshot)
    plan = {"lake": home.uri, "release": 1, "embedding_version": SPEC.embedding_version, "k": 2, "snapshot": snapshot}
    return plan | columns


def write_old_file(home, uri, plan=None):
    """Write a file of neighbours as 0.2 did, and its row in the log."""
    lists = {"track_id": ["t005"], "neighbours": [["t006", "t007"]], "scores": [[0.9, 0.8]]}
    table = pa.table(lists).replace_schema_metadata({b"tonelake": json.dumps(plan or old_plan(home))})
    with home.file_system().open(uri, "wb") as file:
        pq.write_table(table, file)
    record_old_file(home, uri)


def record_old_file(home, uri):
    version = SPEC.embedding_version
    entry = Export(str(uri), 1, None, "similar", SPEC.name, version, "a-run", clock.now(), k=2, tracks=40)
    record_export(home, entry)


def write_old_parts(stage, plan):
    """Write what a killed `tonelake similar` left."""
    stage.mkdir(parents=True)
    (stage / "plan.json").write_text(json.dumps(plan))
    (stage / "part-000000.parquet").write_bytes(b"t005")


def rebuild_all(home):
    settings = Settings(lake=home.uri)
    results = [rebuild_export(home, settings, export, print) for export in list_exports(home)]
    return {Path(result.uri).name: (result.state, result.message) for result in results}


@pytest.fixture
def home(tmp_path):
    return create_lake(tmp_path / "lake")


def test_a_takedown_keeps_what_it_did_not_touch_and_removes_the_rest(home, tmp_path):
    near, stage = tmp_path / "near.parquet", tmp_path / ".near.parquet.unfinished"
    write_old_file(home, near)
    write_old_parts(stage, old_plan(home, k=3))
    write_old_parts(tmp_path / ".killed.parquet.unfinished", old_plan(home))
    record_old_file(home, tmp_path / "killed.parquet")
    (listed, _) = run_json(home.uri, "exports")
    assert (listed["uri"], listed["format"], listed["k"]) == (str(near), "similar", 2)
    command = "this tonelake writes neighbours into a folder: tonelake export DIR --format neighbours -k 2"
    assert rebuild_all(home) == {
        "near.parquet": ("unchanged", "it still holds the same rows"),
        "killed.parquet": ("removed", command),
    }
    assert near.exists()
    rebuild_first_release_without(home, "t005")
    assert rebuild_all(home) == {"near.parquet": ("removed", command)}
    assert [path.name for path in tmp_path.iterdir()] == ["lake"]
    assert list_exports(home) == []


def test_the_file_of_a_dropped_release_is_removed(home, tmp_path):
    write_old_file(home, tmp_path / "near.parquet")
    home.table("releases").update({"lance_version": "99"}, where="number = 1")  # a version that does not exist
    (state,) = rebuild_all(home).values()
    assert state[0] == "removed"
    assert not (tmp_path / "near.parquet").exists()


def test_files_of_others_are_left_alone(home, tmp_path):
    other = create_lake(tmp_path / "other", ["t001"])
    write_old_file(home, tmp_path / "theirs.parquet", old_plan(home, lake=other.uri))
    pq.write_table(pa.table({"column": [1]}), tmp_path / "another.parquet")
    (tmp_path / "letter.txt").write_text("text")
    (tmp_path / "folder").mkdir()
    (tmp_path / ".folder.unfinished").mkdir()
    names = {"theirs.parquet", "another.parquet", "letter.txt", "folder", "missing"}
    for name in names:
        record_old_file(home, tmp_path / name)
    before = sorted(tmp_path.iterdir())
    rebuild_first_release_without(home, "t005")
    states = {name: state for name, (state, _) in rebuild_all(home).items()}
    assert states == dict.fromkeys(names, "gone") | {"theirs.parquet": "out of reach"}
    assert sorted(tmp_path.iterdir()) == before


def test_a_file_in_a_store_is_removed_with_its_parts(s3_bucket, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    home, uri = create_lake(f"{s3_bucket}/lake"), f"{s3_bucket}/near.parquet"
    write_old_file(home, uri)
    stage = platformdirs.user_cache_path("tonelake") / f"similar-{hashlib.sha256(uri.encode()).hexdigest()[:16]}"
    write_old_parts(stage, old_plan(home))
    rebuild_first_release_without(home, "t005")
    (state,) = rebuild_all(home).values()
    assert state[0] == "removed"
    assert not home.file_system().exists(uri)
    assert not stage.exists()


def test_the_takedown_command_removes_the_file_and_says_what_to_run(home, tmp_path):
    write_old_file(home, tmp_path / "near.parquet")
    receipt = tmp_path / "receipt.json"
    text = run_here("--lake", home.uri, "takedown", "--yes", "t005", "--receipt", receipt).stdout
    assert f"{tmp_path}/near.parquet: removed, this tonelake writes neighbours into a folder" in text
    assert json.loads(receipt.read_text())["exports"][0]["state"] == "removed"
    assert not (tmp_path / "near.parquet").exists()
    assert home.table(TABLE).count_rows("track_id = 't005'") == 0


def test_the_old_command_names_the_new_one(home, tmp_path):
    line = error_line("--lake", home.uri, "similar", "--out", tmp_path / "near.parquet", "--k", 3)
    assert line.endswith("tonelake export DIR --format neighbours -k 100")
    assert not (tmp_path / "near.parquet").exists()
