"""A manifest of a table that is cut, empty or full of zeros: every command says so, and `maintain --mend` goes on.

Versions of the table here: 1 is empty, and each commit of a run is one more.
"""

import shutil

import pytest

from flows.operations.doctor import doctor
from flows.operations.maintain import MaintainRequest, maintain
from lake.maintenance.damage import left_of
from lake.storage.lake import Damaged, Lake
from schemas.settings import S3Settings, Settings
from tests.cli import answer, refused, run
from tests.distributed.interrupted_runs import exact, linked, rows

TRACKS_HELD = 24
DAMAGES = {
    "half": lambda text: text[: len(text) // 2],
    "empty": lambda _: b"",
    "zeros": lambda text: bytes(len(text)),  # as a power cut leaves it; Lance reads that as an empty table
    "noise": lambda text: text[:100] + b"\xff" * 100 + text[200:],  # on this one Lance panics
}


@pytest.fixture(scope="module")
def music(rendered, tmp_path_factory):
    return linked(rendered, tmp_path_factory.mktemp("damaged"), TRACKS_HELD)


@pytest.fixture(scope="module")
def made(music, tmp_path_factory):
    uri = str(tmp_path_factory.mktemp("damaged") / "lake")
    answer(uri, "index", music, TONELAKE_COMMIT_ROWS="6")
    return uri


@pytest.fixture
def lake(made, tmp_path):
    shutil.copytree(made, tmp_path / "lake")
    return str(tmp_path / "lake")


@pytest.fixture
def stored(music, s3_bucket):
    answer(s3_bucket, "index", music, TONELAKE_COMMIT_ROWS="6")
    return s3_bucket


def newest(lake: str, kind: str) -> str:
    """The newest manifest of a table."""
    home = Lake.at(lake, S3Settings())
    (name,) = [name for name in home.names() if name.startswith(kind)]
    return sorted(one for one in home.files().ls(f"{home.uri_of(name)}/_versions") if one.endswith(".manifest"))[0]


def spoil(lake: str, path: str, how: str) -> bytes:
    files = Lake.at(lake, S3Settings()).files()
    text = files.cat_file(path)
    files.pipe_file(path, DAMAGES[how](text))
    return text


@pytest.mark.parametrize("how", DAMAGES)
def test_no_damage_is_read_as_a_table(lake, how):
    path = newest(lake, "embeddings__")
    spoil(lake, path, how)
    home = Lake.at(lake, S3Settings())
    (name,) = [name for name in home.names() if name.startswith("embeddings__")]
    with pytest.raises(Damaged, match="embeddings__fake"):
        home.table(name)
    left = left_of(home, name)
    assert list(left.broken.values()) == [path]
    assert left.rows == home.pinned(name, left.version).table(name).count_rows() > 0


def test_it_is_told_and_mended(lake, music):
    told_and_mended(
        lake, music, "zeros", [["index", music], ["status"], ["search", "calm"], ["maintain"], ["refresh"]]
    )


def test_it_is_told_and_mended_in_a_store(stored, music):
    told_and_mended(stored, music, "half", [["index", music], ["search", "calm"]])


def told_and_mended(lake, music, how, commands):
    before = rows(lake)
    whole = spoil(lake, newest(lake, "embeddings__"), how)
    for command in commands:
        line = refused("--lake", lake, "--encoder", "fake", *command)
        assert "embeddings__fake" in line
        assert "is damaged" in line
        assert "tonelake doctor" in line
    (finding,) = [one for one in answer(lake, "doctor", code=1) if one["check"] == "version"]
    assert finding["run"] == "tonelake maintain --mend"
    assert "cannot be read; version" in finding["what"]
    run("--lake", lake, "maintain", "--mend")
    left = rows(lake)
    assert f"of {len(left)} rows" in finding["what"]
    assert set(left) <= set(before)
    assert answer(lake, "search", "calm", "-k", "2"), "live is what is left"
    assert exact(lake, music, TRACKS_HELD)["embedded_now"] == TRACKS_HELD - len(left)
    assert answer(lake, "doctor") == []
    files = Lake.at(lake, S3Settings()).files()
    (aside,) = files.find(f"{lake}/_damaged")
    assert files.cat_file(aside) == DAMAGES[how](whole)


@pytest.mark.parametrize("kind", ["tracks", "runs", "releases", "encoders", "sources", "audio_facts"])
def test_every_table_is_mended(lake, music, kind):
    settings = Settings(lake=lake)
    spoil(lake, newest(lake, kind), "half")
    found = {one.table: one for one in doctor(settings) if one.run == "tonelake maintain --mend"}
    assert "cannot be read" in found[kind].what
    maintain(MaintainRequest(14, mend=True), settings, print)
    exact(lake, music, TRACKS_HELD)
    maintain(MaintainRequest(14), settings, print)
    assert doctor(settings) == []


def test_a_takedown_is_never_undone_unasked(lake, music, tmp_path):
    run("--lake", lake, "forget", rows(lake)[0], "--yes", "--receipt", tmp_path / "receipt.json")
    spoil(lake, newest(lake, "takedowns"), "half")
    (finding,) = [one for one in answer(lake, "doctor", code=1) if one["table"] == "takedowns"]
    assert "backup" in finding["run"]
    assert "takedowns" in refused("--lake", lake, "maintain", "--mend")
    assert "takedowns" in refused("--lake", lake, "--encoder", "fake", "index", music)
