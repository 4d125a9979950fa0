"""A manifest of a table that is cut, empty or full of zeros: every command says so, and `maintain --repair` goes on.

Versions of the table here: 1 is empty, and each commit of a run is one more.
"""

import shutil

import pytest

from flows.operations.doctor import examine_lakes
from flows.operations.maintain import MaintainRequest, maintain
from lake.maintenance.damage import inspect_table
from lake.storage.corruption import CorruptTableError
from lake.storage.lake import Lake
from schemas.settings import S3Settings, Settings
from tests.cli import error_line, run, run_json
from tests.distributed.interrupted_runs import embedded_ids, finish_run, link_tracks

TRACK_COUNT = 24
DAMAGES = {
    "half": lambda text: text[: len(text) // 2],
    "empty": lambda _: b"",
    "zeros": lambda text: bytes(len(text)),  # as a power cut leaves it; Lance reads that as an empty table
    "noise": lambda text: text[:100] + b"\xff" * 100 + text[200:],  # on this one Lance panics
}


@pytest.fixture(scope="module")
def music(rendered, tmp_path_factory):
    return link_tracks(rendered, tmp_path_factory.mktemp("damaged"), TRACK_COUNT)


@pytest.fixture(scope="module")
def indexed_lake(music, tmp_path_factory):
    uri = str(tmp_path_factory.mktemp("damaged") / "lake")
    run_json(uri, "index", music, TONELAKE_COMMIT_ROWS="6")
    return uri


@pytest.fixture
def lake(indexed_lake, tmp_path):
    shutil.copytree(indexed_lake, tmp_path / "lake")
    return str(tmp_path / "lake")


@pytest.fixture
def lake_in_store(music, s3_bucket):
    run_json(s3_bucket, "index", music, TONELAKE_COMMIT_ROWS="6")
    return s3_bucket


def newest_manifest(lake: str, kind: str) -> str:
    """Return the path of a table's newest manifest."""
    home = Lake.at(lake, S3Settings())
    (name,) = [name for name in home.table_names() if name.startswith(kind)]
    paths = home.file_system().ls(f"{home.table_uri(name)}/_versions")
    return min(path for path in paths if path.endswith(".manifest"))


def damage(lake: str, path: str, how: str) -> bytes:
    files = Lake.at(lake, S3Settings()).file_system()
    text = files.cat_file(path)
    files.pipe_file(path, DAMAGES[how](text))
    return text


@pytest.mark.parametrize("how", DAMAGES)
def test_no_damage_is_read_as_a_table(lake, how):
    path = newest_manifest(lake, "embeddings__")
    damage(lake, path, how)
    home = Lake.at(lake, S3Settings())
    (name,) = [name for name in home.table_names() if name.startswith("embeddings__")]
    with pytest.raises(CorruptTableError, match="embeddings__fake"):
        home.table(name)
    report = inspect_table(home, name)
    assert list(report.unreadable_manifests.values()) == [path]
    assert report.rows == home.pin(name, report.newest_readable).table(name).count_rows() > 0


def test_damage_is_reported_and_repaired(lake, music):
    assert_reported_and_repaired(
        lake, music, "zeros", [["index", music], ["status"], ["search", "calm"], ["maintain"], ["refresh"]]
    )


def test_damage_is_reported_and_repaired_in_a_store(lake_in_store, music):
    assert_reported_and_repaired(lake_in_store, music, "half", [["index", music], ["search", "calm"]])


def assert_reported_and_repaired(lake, music, how, commands):
    before = embedded_ids(lake)
    whole = damage(lake, newest_manifest(lake, "embeddings__"), how)
    for command in commands:
        line = error_line("--lake", lake, "--encoder", "fake", *command)
        assert "embeddings__fake" in line
        assert "is damaged" in line
        assert "tonelake doctor" in line
    (finding,) = [row for row in run_json(lake, "doctor", code=1) if row["check"] == "version"]
    assert finding["run"] == "tonelake maintain --repair"
    assert "cannot be read; version" in finding["what"]
    run("--lake", lake, "maintain", "--repair")
    left = embedded_ids(lake)
    assert f"of {len(left)} rows" in finding["what"]
    assert set(left) <= set(before)
    assert run_json(lake, "search", "calm", "-k", "2"), "the live release is what is left"
    assert finish_run(lake, music, TRACK_COUNT)["embedded_now"] == TRACK_COUNT - len(left)
    assert run_json(lake, "doctor") == []
    files = Lake.at(lake, S3Settings()).file_system()
    (aside,) = files.find(f"{lake}/_damaged")
    assert files.cat_file(aside) == DAMAGES[how](whole)


@pytest.mark.parametrize("kind", ["tracks", "runs", "releases", "encoders", "sources", "audio_facts"])
def test_every_table_is_repaired(lake, music, kind):
    settings = Settings(lake=lake)
    damage(lake, newest_manifest(lake, kind), "half")
    repairs = [finding for finding in examine_lakes(settings) if finding.run == "tonelake maintain --repair"]
    (finding,) = [repair for repair in repairs if repair.table == kind]
    assert "cannot be read" in finding.what
    maintain(MaintainRequest(14, repair=True), settings, print)
    finish_run(lake, music, TRACK_COUNT)
    maintain(MaintainRequest(14), settings, print)
    assert examine_lakes(settings) == []


def test_a_takedown_is_never_undone_unasked(lake, music, tmp_path):
    run("--lake", lake, "takedown", embedded_ids(lake)[0], "--yes", "--receipt", tmp_path / "receipt.json")
    damage(lake, newest_manifest(lake, "takedowns"), "half")
    (finding,) = [row for row in run_json(lake, "doctor", code=1) if row["table"] == "takedowns"]
    assert "backup" in finding["run"]
    assert "takedowns" in error_line("--lake", lake, "maintain", "--repair")
    assert "takedowns" in error_line("--lake", lake, "--encoder", "fake", "index", music)
