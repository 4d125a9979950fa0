"""A lake that tonelake 0.1 wrote: it can be read as it is, nobody writes into it, and `maintain` upgrades it.

tests/data/lake-0.1.tar.xz holds such a lake, and the answers that 0.1 gave to questions about it: an index with a file
that is no audio, a moved file, a removed source, a rollback, a second version, an evaluation, an export, a takedown.
"""

import json
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pytest

from flows.operations.doctor import examine_lakes
from lake.benchmarks.results import latest_rows
from lake.maintenance.cleanup import table_files
from lake.releases.releases import list_releases
from lake.storage.format import FORMAT, marker_name
from lake.storage.lake import Lake
from lake.storage.old_forms import is_old, upgrade
from schemas.settings import S3Settings, Settings
from tests.cli import ROOT, error_line, run_json
from tests.flows.labelled import render_sound

OLD_LAKE = ROOT / "tests/data/lake-0.1.tar.xz"
QUESTIONS = {
    "status": ("status",),
    "releases": ("releases",),
    "leaderboard": ("leaderboard",),
    "quarantine": ("quarantine",),
    "exports": ("exports",),
    "sources_list": ("sources", "list"),
    "search": ("search", "--like", "single-11", "--embedding-version", "3410128444c2"),
    "search_release_2": ("search", "bright", "--release", "2"),
}
WRITERS = [
    ("index", "{music}"),
    ("refresh",),
    ("promote", "2e90e0b08d90"),
    ("rollback",),
    ("export", "{music}/export", "--release", "6"),
    ("takedown", "single-11", "--yes"),
    ("evaluate", "folder", "--data", "{music}"),
    ("sources", "add", "{music}"),
    ("sources", "remove", "/music/albums"),
    ("quarantine", "--retry"),
]


# Methods that write, patched in a process that then kills itself at one of their calls.
KILLED = """
import os, sys
import lance
from lake.storage import old_forms
from lake.storage.lake import Lake
from schemas.settings import S3Settings
left, when = int(sys.argv[2]), sys.argv[3]

def counted(write):
    def call(*arguments, **named):
        global left
        left -= 1
        if not left and when == "before":
            os.kill(os.getpid(), 9)
        result = write(*arguments, **named)
        if not left:
            os.kill(os.getpid(), 9)
        return result
    return call

lance.LanceDataset.alter_columns = counted(lance.LanceDataset.alter_columns)
lance.LanceDataset.update = counted(lance.LanceDataset.update)
lance.write_dataset = counted(lance.write_dataset)
Lake.write_format = counted(Lake.write_format)
from fsspec.implementations.local import LocalFileSystem
LocalFileSystem.rm = counted(LocalFileSystem.rm)
old_forms.upgrade(Lake.at(sys.argv[1], S3Settings()))
"""


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """The old lake, in a folder of its own; the answers of 0.1 stand beside it."""
    with tarfile.open(OLD_LAKE) as archive:
        archive.extractall(tmp_path, filter="data")
    return tmp_path / "lake"


def lake_at(uri: Path | str) -> Lake:
    return Lake.at(str(uri), S3Settings())


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def rows_of(lake: Lake) -> dict[str, pa.Table]:
    """Every table but the book of runs, as a plain reader sees it, its rows in one order."""
    tables = {name: lake.table(name).to_table() for name in sorted(lake.table_names() - {"runs"})}
    return {name: table.take(pa.array(order(table))) for name, table in tables.items()}


def order(table: pa.Table) -> list[int]:
    rows = [str(row) for row in table.to_pylist()]
    return sorted(range(len(rows)), key=rows.__getitem__)


def upgraded(uri: str) -> list[dict[str, object]]:
    rows = run_json(uri, "maintain", "--retention", "14")
    return [row for row in rows if "renamed" in row["done"]]


def comparable(document: object) -> object:
    """An answer without what may differ: where the lake lies, sizes in bytes, and words of messages."""
    if isinstance(document, list):
        return [comparable(item) for item in document]
    if not isinstance(document, dict):
        return document
    names = {"again": "republishes", "moves": "track_aliases"}
    left_out = {"lake", "bytes", "how", "runs"}
    # 0.1 said nothing of these
    left_out |= set("searchable stale stale_since allowed_outside album year genres described undescribed bpm".split())
    left_out |= set("musical_key mode loudness_lufs not_available duration_s isrc extra".split())
    left_out |= set(
        "available_from available_to territories available_on territory copies found_by best without_moments".split()
    )
    return {names.get(key, key): comparable(value) for key, value in document.items() if key not in left_out}


def same_answers(lake: Path, uri: str, names: Iterable[str] = QUESTIONS) -> None:
    """Ask the lake at `uri`, and expect the answers of 0.1 that lie beside the folder `lake`."""
    for name in names:
        before = json.loads((lake.parent / "answers" / f"{name}.json").read_text())
        if name == "quarantine":  # 0.1 had a row for each version that quarantined the track
            before = list({(row["track_id"], row["reason"]): row for row in before}.values())
        assert comparable(run_json(uri, *QUESTIONS[name])) == comparable(before), name


def test_it_can_be_read_as_it_is(old):
    before = files_of(old)
    same_answers(old, str(old))
    assert [release.republishes for release in list_releases(lake_at(old))] == [None, None, 1, None, None, None]
    assert {row.max_windows for row in latest_rows(lake_at(old))} == {2}
    assert files_of(old) == before


def test_nobody_writes_into_it(old, tmp_path):
    music = tmp_path / "music"
    music.mkdir()
    for name in ("dark", "bright"):
        (music / f"{name}.wav").write_bytes(render_sound(name, 5))
    (music / "labels.csv").write_text("path,split,tags\ndark.wav,test,dark\nbright.wav,test,bright\n")
    before = files_of(old)
    for command in WRITERS:
        line = error_line("--lake", old, "--encoder", "fake", *(part.format(music=music) for part in command))
        assert "run `tonelake maintain` once to upgrade it" in line, command
    assert files_of(old) == before


def test_doctor_and_a_dry_run_say_what_to_do(old):
    assert [row for row in run_json(old, "doctor", code=1) if row["run"] == "tonelake maintain"]
    assert any("would upgrade" in row["done"] for row in run_json(old, "maintain", "--dry-run"))
    assert is_old(lake_at(old))


def test_maintain_upgrades_it_once(old, tmp_path):
    vectors = {name: table for name, table in rows_of(lake_at(old)).items() if name.startswith("embeddings__")}
    releases = list_releases(lake_at(old))
    assert {row["table"] for row in upgraded(str(old))} == {
        "audio_facts",
        "evaluations",
        "releases",
        "tracks",
        "track_aliases",
    }
    lake = lake_at(old)
    assert lake.format() == FORMAT
    assert "moves" not in lake.table_names()
    assert list_releases(lake) == releases
    assert {name: rows_of(lake)[name] for name in vectors} == vectors
    same_answers(old, str(old))
    assert examine_lakes(Settings(lake=str(old), encoder="fake")) == []
    assert upgraded(str(old)) == []
    (tmp_path / "new.wav").write_bytes(render_sound("dark", 5))
    assert run_json(old, "index", tmp_path / "new.wav")["embedded"] == 1


@pytest.mark.parametrize("when", ["before", "after"])
def test_it_survives_a_kill_at_every_write(old, tmp_path, when):
    """The lake is the one that 0.1 wrote for every kill, and the same call ends the upgrade."""
    whole = tmp_path / "whole"
    shutil.copytree(old, whole)
    writes = upgrade_killed_at(whole, 0, when)
    assert writes == 0
    kills = 0
    while True:
        lake = tmp_path / "killed"
        shutil.copytree(old, lake)
        if upgrade_killed_at(lake, kills + 1, when) == 0:
            break
        kills += 1
        assert is_old(lake_at(lake)) or when == "after"
        same_numbers(lake_at(lake), lake_at(old))
        upgrade(lake_at(lake))
        assert rows_of(lake_at(lake)) == rows_of(lake_at(whole))
        shutil.rmtree(lake)
    assert kills == 7  # three tables' columns, the states, the copy, the removal, the number


def upgrade_killed_at(lake: Path, call: int, when: str) -> int:
    """Upgrade in a process that kills itself at the call of that number; return its exit code, -9 if it was killed."""
    command = [sys.executable, "-c", KILLED, str(lake), str(call), when]
    result = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert result.returncode in (0, -9), result.stderr
    return result.returncode


def same_numbers(lake: Lake, old: Lake) -> None:
    """What readers ask of a lake in the middle of an upgrade is what they were told before it."""
    assert list_releases(lake) == list_releases(old)
    assert latest_rows(lake) == latest_rows(old)


def test_on_s3_too(old, s3_bucket):
    uri = f"{s3_bucket}/lake"
    remote = lake_at(uri)
    remote.file_system().put(str(old), uri, recursive=True)
    same_answers(old, uri, ["status", "releases"])
    assert "run `tonelake maintain` once" in error_line("--lake", uri, "--encoder", "fake", "rollback")
    assert {row["table"] for row in upgraded(uri)} >= {"tracks", "track_aliases"}
    same_answers(old, uri, ["status", "releases"])
    assert remote.format() == FORMAT
    assert table_files(remote, "moves") == {}  # SeaweedFS keeps the empty folder


def test_a_newer_lake_is_refused(old):
    (old / marker_name(FORMAT + 1)).touch()
    readers = [
        ("status",),
        ("search", "bright"),
        ("sources", "list"),
        ("index", old.parent, "--dry-run"),
        ("exports",),
    ]
    for command in (*readers, ("refresh",), ("maintain",), ("doctor",)):
        line = error_line("--lake", old, "--encoder", "fake", *command)
        assert f"format {FORMAT + 1}" in line
        assert "install the newer tonelake" in line
