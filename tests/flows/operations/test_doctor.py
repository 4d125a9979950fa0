"""Each invariant, broken once in a real lake: doctor reports it, and the command that it names repairs it."""

import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import lance
import numpy as np
import pyarrow as pa
import pytest

import lake.embeddings.indexes
from flows.map.make_map import MapRequest, make_map
from flows.operations.doctor import examine_lakes
from flows.operations.maintain import MaintainRequest, maintain
from lake.catalogue.plan import coverage, make_plan
from lake.catalogue.runs import RunRecord
from lake.catalogue.sources import register_sources
from lake.catalogue.tracks import active_tracks
from lake.storage.lake import Lake
from schemas.errors import UserError
from schemas.evaluations import EVALUATIONS
from schemas.settings import S3Settings, Settings
from schemas.tables import embeddings_table, features_table, map_table, windows_table
from tests.cli import environment, run, run_json
from tests.lake.rows import SPEC, make_small_lake

TABLE, FEATURES, WINDOWS, MAP = (kind(SPEC) for kind in (embeddings_table, features_table, windows_table, map_table))
TRACK = "t0003"
LOCK = (
    "import sys, time; from lake.storage.lake import Lake; from lake.storage.lease import Lease\n"
    "from schemas.settings import *\n"
    "with Lease(Lake.at(sys.argv[1], S3Settings()), 't', 'gone', print): print('locked', flush=True); time.sleep(60)"
)


@pytest.fixture(scope="module")
def sound_lake(tmp_path_factory):
    home = make_small_lake(str(tmp_path_factory.mktemp("doctor") / "lake"))
    make_map(MapRequest(method="pca"), Settings(lake=home.uri, encoder=SPEC.name), print)
    return home.uri


@pytest.fixture
def home(sound_lake, tmp_path):
    shutil.copytree(sound_lake, tmp_path / "lake")
    return Lake.at(str(tmp_path / "lake"), S3Settings())


def checks(home):
    return {finding.check for finding in examine_lakes(Settings(lake=home.uri))}


def repair(home):
    maintain(MaintainRequest(14, repair=True), Settings(lake=home.uri), print)


def modification_times(home):
    """Return the modification time of every file, to check that doctor writes none."""
    return {path: path.stat().st_mtime_ns for path in Path(home.uri).rglob("*")}


def row(home, name, track=TRACK):
    return home.table(name).to_table(filter=f"track_id = '{track}'")


def append(home, name, rows):
    lance.write_dataset(rows, home.table_uri(name), mode="append", storage_options=home.storage_options)


def change(home, name, column, value, track=TRACK):
    """Write one value of one row."""
    rows = row(home, name, track)
    index = rows.schema.get_field_index(column)
    rows = rows.set_column(index, rows.schema.field(column), pa.array([value], rows.schema.field(column).type))
    home.table(name).merge_insert("track_id").when_matched_update_all().execute(rows)


def add_unknown_track(home, name):
    rows = row(home, name)
    append(home, name, rows.set_column(0, rows.schema.field(0), pa.array(["nobody"])))


def remove_data_file(home, name=WINDOWS):
    (file, *_) = home.table(name).get_fragments()[0].metadata.files
    home.file_system().rm_file(f"{home.table_uri(name)}/data/{file.path}")


def add_orphan_file(home):
    files = home.file_system()
    files.cp_file(
        files.glob(f"{home.table_uri(TABLE)}/data/*.lance")[0], f"{home.table_uri(TABLE)}/data/{'0' * 32}.lance"
    )


def add_evaluation(home):
    rows = pa.Table.from_pylist([{"key": "abc@mAP", "evaluation_id": "abc"}], schema=EVALUATIONS)
    lance.write_dataset(rows, home.table_uri("evaluations"), storage_options=home.storage_options)


def kill_lease_holder(home):
    process = subprocess.Popen(
        [sys.executable, "-c", LOCK, home.uri], stdout=subprocess.PIPE, text=True, env=environment()
    )
    assert process.stdout.readline() == "locked\n"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()


def mark_vanished(home):
    home.table("tracks").update({"state": "'vanished'"}, where=f"track_id = '{TRACK}'")


def narrow_vectors(home):
    schema = pa.schema([pa.field("track_id", pa.string()), pa.field("vector", pa.list_(pa.float32(), 4))])
    lance.write_dataset(schema.empty_table(), home.table_uri(TABLE), mode="overwrite")


def replace_spec(home):
    spec = replace(SPEC, head=replace(SPEC.head, revision=2)).to_json()
    home.table("encoders").update({"spec": f"'{spec}'"})


REPAIRED = {  # by `maintain`: the broken rows are dropped, and their tracks are pending
    "a second row of a key": (lambda home: append(home, TABLE, row(home, TABLE)), {"keys", "coverage"}),
    "a track registered twice": (lambda home: append(home, "tracks", row(home, "tracks")), {"keys", "coverage"}),
    "a zero vector": (lambda home: change(home, TABLE, "vector", [0.0] * 8), {"vectors"}),
    "a vector that is not finite": (lambda home: change(home, TABLE, "vector", [np.nan] * 8), {"vectors"}),
    "no vector": (lambda home: change(home, TABLE, "vector", None), {"vectors"}),
    "features that are not finite": (lambda home: change(home, FEATURES, "features", [np.inf] * 12), {"vectors"}),
    "a vector of an unknown track": (lambda home: add_unknown_track(home, TABLE), {"unknown"}),
    "features of an unknown track": (lambda home: add_unknown_track(home, FEATURES), {"unknown"}),
    "windows of an unknown track": (lambda home: add_unknown_track(home, WINDOWS), {"unknown"}),
    "a position of an unknown track": (lambda home: add_unknown_track(home, MAP), {"unknown"}),
    "a position that is no point": (lambda home: change(home, MAP, "x", np.nan), {"map"}),
    "no position": (lambda home: change(home, MAP, "y", None), {"map"}),
    "no features": (lambda home: home.table(FEATURES).delete(f"track_id = '{TRACK}'"), {"complete"}),
    "features of another file": (lambda home: change(home, FEATURES, "source_version", "0"), {"complete"}),
    "an evaluation without its items": (add_evaluation, {"items"}),
    "an orphan file": (add_orphan_file, {"orphan"}),
    "a lease of a killed process": (kill_lease_holder, {"lease"}),
    "a run of a killed process": (lambda home: RunRecord(home, "gone", "index", SPEC, {}).__enter__(), {"run"}),
}
REPORTED = {  # no single command repairs it
    "a missing data file": (remove_data_file, {"files"}),
    "a missing data file of a map": (lambda home: remove_data_file(home, MAP), {"files"}),
    "tags of another tagger": (lambda home: change(home, TABLE, "tags_version", "older"), {"version"}),
    "vectors of another width": (narrow_vectors, {"version"}),
    "a spec of another version": (replace_spec, {"version"}),
    "tracks of no source": (lambda home: register_sources(home, {"/other": 1}, listed=False), {"sources"}),
    "a row of a vanished track": (mark_vanished, {"vanished"}),
    "tables of an unregistered version": (lambda home: home.table("encoders").delete("true"), {"version"}),
    "a version without a table": (lambda home: shutil.rmtree(home.table_uri(TABLE)), {"version"}),
}


def test_a_sound_lake_has_no_findings(home, s3_bucket):
    assert examine_lakes(Settings(lake=home.uri)) == []
    assert examine_lakes(Settings(lake=make_small_lake(s3_bucket).uri)) == []


@pytest.mark.parametrize("broken", REPAIRED)
def test_damage_is_reported_and_repaired(home, broken):
    break_lake, expected = REPAIRED[broken]
    break_lake(home)
    before = modification_times(home)
    findings = examine_lakes(Settings(lake=home.uri))
    assert {finding.check for finding in findings} == expected
    assert modification_times(home) == before
    assert all(finding.count >= 1 and finding.run.startswith("tonelake maintain") for finding in findings)
    repair(home)
    assert checks(home) == set()
    state = coverage(make_plan(home, SPEC, active_tracks(home)))
    assert (state.expected, state.embedded + state.pending, state.quarantined) == (14, 13, 1)


@pytest.mark.parametrize("broken", REPORTED)
def test_other_damage_is_reported(home, broken):
    break_lake, expected = REPORTED[broken]
    break_lake(home)
    findings = examine_lakes(Settings(lake=home.uri))
    assert {finding.check for finding in findings} == expected
    assert all("tonelake" in finding.run for finding in findings)


def test_missing_windows_of_embedded_tracks_are_reported(tmp_path):
    spec = replace(SPEC, head=replace(SPEC.head, kind="identity"))
    home = make_small_lake(str(tmp_path), spec=spec)
    assert checks(home) == set()
    home.table(windows_table(spec)).delete(f"track_id = '{TRACK}'")
    assert checks(home) == {"complete"}
    assert examine_lakes(Settings(lake=home.uri, keep_windows=False)) == []


def test_a_row_that_is_to_be_replaced_is_no_finding(home):
    for name in ("tracks", FEATURES):  # another head of this backbone has embedded the new file already
        change(home, name, "source_version", "2")
    assert checks(home) == set()
    change(home, TABLE, "source_version", "2")
    change(home, FEATURES, "source_version", "1")
    assert checks(home) == {"complete"}


def test_a_missing_or_outdated_index_is_reported(home, monkeypatch):
    monkeypatch.setattr(lake.maintenance.invariants, "VECTOR_INDEX_ROWS", 10)
    monkeypatch.setattr(lake.embeddings.indexes, "VECTOR_INDEX_ROWS", 10)
    assert checks(home) == {"index"}
    repair(home)
    assert checks(home) == set()
    change(home, TABLE, "title", "other")
    assert checks(home) == set()  # one row of twelve: a search scans it beside the index
    change(home, TABLE, "title", "other", "t0004")
    assert checks(home) == {"index"}


def test_damage_on_s3_is_reported_and_repaired(s3_bucket):
    home = make_small_lake(s3_bucket)
    for break_lake in (add_orphan_file, add_evaluation, lambda home: change(home, TABLE, "vector", [0.0] * 8)):
        break_lake(home)
    assert checks(home) == {"orphan", "items", "vectors"}
    repair(home)
    assert checks(home) == set()
    remove_data_file(home)
    assert checks(home) == {"files"}


def test_the_command_names_the_repair_and_exits_with_1(home):
    assert run_json(home.uri, "doctor") == []
    assert run("--lake", home.uri, "doctor").stdout == "all is well\n"
    change(home, TABLE, "vector", [0.0] * 8)
    (finding,) = run_json(home.uri, "doctor", code=1)
    assert set(finding) == {"check", "lake", "table", "count", "what", "run"}
    assert (finding["check"], finding["table"], finding["count"]) == ("vectors", TABLE, 1)
    assert TRACK in finding["what"]
    assert "tonelake maintain --repair" in run("--lake", home.uri, "doctor", code=1).stdout
    with pytest.raises(UserError, match="no lake at"):
        examine_lakes(Settings(lake=f"{home.uri}/nowhere"))
