"""Each invariant, broken once in a real lake: doctor names it, and what it tells to run mends it."""

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
from flows.operations.doctor import doctor
from flows.operations.maintain import MaintainRequest, maintain
from lake.catalogue.plan import coverage, plan
from lake.catalogue.runs import RunRecord
from lake.catalogue.tracks import active_tracks
from lake.storage.lake import Lake
from schemas.errors import UserError
from schemas.evaluations import EVALUATIONS
from schemas.settings import S3Settings, Settings
from schemas.tables import embeddings_table, features_table, windows_table
from tests.cli import answer, environment, run
from tests.lake.rows import SPEC, small_lake

TABLE, FEATURES, WINDOWS = embeddings_table(SPEC), features_table(SPEC), windows_table(SPEC)
TRACK = "t0003"
HOLD = (
    "import sys, time; from lake.storage.lake import Lake; from lake.storage.lease import Lease\n"
    "from schemas.settings import *\n"
    "with Lease(Lake.at(sys.argv[1], S3Settings()), 't', 'gone', print): print('held', flush=True); time.sleep(60)"
)


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    return small_lake(str(tmp_path_factory.mktemp("doctor") / "lake")).uri


@pytest.fixture
def home(sound, tmp_path):
    shutil.copytree(sound, tmp_path / "lake")
    return Lake.at(str(tmp_path / "lake"), S3Settings())


def checks(home):
    return {finding.check for finding in doctor(Settings(lake=home.uri))}


def mend(home):
    maintain(MaintainRequest(14, mend=True), Settings(lake=home.uri), print)


def times(home):
    """When each file was written: doctor writes none."""
    return {path: path.stat().st_mtime_ns for path in Path(home.uri).rglob("*")}


def row(home, name, track=TRACK):
    return home.table(name).to_table(filter=f"track_id = '{track}'")


def append(home, name, rows):
    lance.write_dataset(rows, home.uri_of(name), mode="append", storage_options=home.options)


def changed(home, name, column, value, track=TRACK):
    """Writes one value of one row."""
    rows = row(home, name, track)
    place = rows.schema.get_field_index(column)
    rows = rows.set_column(place, rows.schema.field(column), pa.array([value], rows.schema.field(column).type))
    home.table(name).merge_insert("track_id").when_matched_update_all().execute(rows)


def stranger(home, name):
    rows = row(home, name)
    append(home, name, rows.set_column(0, rows.schema.field(0), pa.array(["nobody"])))


def no_data_file(home, name=WINDOWS):
    (file, *_) = home.table(name).get_fragments()[0].metadata.files
    home.files().rm_file(f"{home.uri_of(name)}/data/{file.path}")


def orphan(home):
    files = home.files()
    files.cp_file(files.glob(f"{home.uri_of(TABLE)}/data/*.lance")[0], f"{home.uri_of(TABLE)}/data/{'0' * 32}.lance")


def evaluated(home):
    rows = pa.Table.from_pylist([{"key": "abc@mAP", "evaluation_id": "abc"}], schema=EVALUATIONS)
    lance.write_dataset(rows, home.uri_of("evaluations"), storage_options=home.options)


def killed(home):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, home.uri], stdout=subprocess.PIPE, text=True, env=environment()
    )
    assert process.stdout.readline() == "held\n"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()


def vanished(home):
    home.table("tracks").update({"state": "'vanished'"}, where=f"track_id = '{TRACK}'")


def narrower(home):
    schema = pa.schema([pa.field("track_id", pa.string()), pa.field("vector", pa.list_(pa.float32(), 4))])
    lance.write_dataset(schema.empty_table(), home.uri_of(TABLE), mode="overwrite")


def other_spec(home):
    spec = replace(SPEC, head=replace(SPEC.head, revision=2)).to_json()
    home.table("encoders").update({"spec": f"'{spec}'"})


MENDED = {  # by maintain --mend: what is broken is dropped, and its track is pending
    "a second row of a key": (lambda home: append(home, TABLE, row(home, TABLE)), {"keys", "coverage"}),
    "a track registered twice": (lambda home: append(home, "tracks", row(home, "tracks")), {"keys", "coverage"}),
    "a zero vector": (lambda home: changed(home, TABLE, "vector", [0.0] * 8), {"vectors"}),
    "a vector that is not finite": (lambda home: changed(home, TABLE, "vector", [np.nan] * 8), {"vectors"}),
    "no vector": (lambda home: changed(home, TABLE, "vector", None), {"vectors"}),
    "features that are not finite": (lambda home: changed(home, FEATURES, "features", [np.inf] * 12), {"vectors"}),
    "a vector of nobody's": (lambda home: stranger(home, TABLE), {"unknown"}),
    "features of nobody's": (lambda home: stranger(home, FEATURES), {"unknown"}),
    "windows of nobody's": (lambda home: stranger(home, WINDOWS), {"unknown"}),
    "no features": (lambda home: home.table(FEATURES).delete(f"track_id = '{TRACK}'"), {"complete"}),
    "features of another file": (lambda home: changed(home, FEATURES, "source_version", "0"), {"complete"}),
    "items of an evaluation": (evaluated, {"items"}),
    "an orphan file": (orphan, {"orphan"}),
    "a lease of the dead": (killed, {"lease"}),
    "a run of the dead": (lambda home: RunRecord(home, "gone", "index", SPEC, {}).__enter__(), {"run"}),
}
TOLD = {  # what no command mends by itself
    "a file is gone": (no_data_file, {"files"}),
    "tags of another tagger": (lambda home: changed(home, TABLE, "tags_version", "older"), {"version"}),
    "vectors of another width": (narrower, {"version"}),
    "a spec of another version": (other_spec, {"version"}),
    "a row of a track that vanished": (vanished, {"vanished"}),
    "tables nobody knows": (lambda home: home.table("encoders").delete("true"), {"version"}),
    "a version without a table": (lambda home: shutil.rmtree(home.uri_of(TABLE)), {"version"}),
}


def test_a_sound_lake_is_sound(home, s3_bucket):
    assert doctor(Settings(lake=home.uri)) == []
    assert doctor(Settings(lake=small_lake(s3_bucket).uri)) == []


@pytest.mark.parametrize("broken", MENDED)
def test_what_is_broken_is_found_and_mended(home, broken):
    do, expected = MENDED[broken]
    do(home)
    before = times(home)
    found = doctor(Settings(lake=home.uri))
    assert {finding.check for finding in found} == expected
    assert times(home) == before
    assert all(finding.count >= 1 and finding.run.startswith("tonelake maintain") for finding in found)
    mend(home)
    assert checks(home) == set()
    state = coverage(plan(home, SPEC, active_tracks(home)))
    assert (state.expected, state.embedded + state.pending, state.quarantined) == (14, 13, 1)


@pytest.mark.parametrize("broken", TOLD)
def test_what_is_broken_is_found_and_told(home, broken):
    do, expected = TOLD[broken]
    do(home)
    found = doctor(Settings(lake=home.uri))
    assert {finding.check for finding in found} == expected
    assert all("tonelake" in finding.run for finding in found)


def test_windows_are_missed_where_every_track_was_heard(tmp_path):
    spec = replace(SPEC, head=replace(SPEC.head, kind="identity"))
    home = small_lake(str(tmp_path), spec=spec)
    assert checks(home) == set()
    home.table(windows_table(spec)).delete(f"track_id = '{TRACK}'")
    assert checks(home) == {"complete"}
    assert doctor(Settings(lake=home.uri, keep_windows=False)) == []


def test_a_row_that_waits_to_be_replaced_is_not_broken(home):
    for name in ("tracks", FEATURES):  # another head of this backbone has heard the new file already
        changed(home, name, "source_version", "2")
    assert checks(home) == set()
    changed(home, TABLE, "source_version", "2")
    changed(home, FEATURES, "source_version", "1")
    assert checks(home) == {"complete"}


def test_an_index_that_is_missing_or_left_behind_is_found(home, monkeypatch):
    monkeypatch.setattr(lake.maintenance.invariants, "VECTOR_INDEX_ROWS", 10)
    monkeypatch.setattr(lake.embeddings.indexes, "VECTOR_INDEX_ROWS", 10)
    assert checks(home) == {"index"}
    mend(home)
    assert checks(home) == set()
    changed(home, TABLE, "title", "other")
    assert checks(home) == set()  # one of twelve: a search reads it beside the index
    changed(home, TABLE, "title", "other", "t0004")
    assert checks(home) == {"index"}


def test_broken_on_s3_found_and_mended(s3_bucket):
    home = small_lake(s3_bucket)
    for do in (orphan, evaluated, lambda home: changed(home, TABLE, "vector", [0.0] * 8)):
        do(home)
    assert checks(home) == {"orphan", "items", "vectors"}
    mend(home)
    assert checks(home) == set()
    no_data_file(home)
    assert checks(home) == {"files"}


def test_the_command_says_what_to_run_and_exits_with_1(home):
    assert answer(home.uri, "doctor") == []
    assert run("--lake", home.uri, "doctor").stdout == "all is well\n"
    changed(home, TABLE, "vector", [0.0] * 8)
    (finding,) = answer(home.uri, "doctor", code=1)
    assert set(finding) == {"check", "lake", "table", "count", "what", "run"}
    assert (finding["check"], finding["table"], finding["count"]) == ("vectors", TABLE, 1)
    assert TRACK in finding["what"]
    assert "tonelake maintain --mend" in run("--lake", home.uri, "doctor", code=1).stdout
    with pytest.raises(UserError, match="no lake at"):
        doctor(Settings(lake=f"{home.uri}/nowhere"))
