"""Table versions that cannot be read: reported, put aside, and never named by a release afterwards."""

import lance
import pytest

from flows.operations.doctor import examine_lakes
from flows.operations.maintain import MaintainRequest, maintain
from flows.operations.takedown import TakedownRequest, take_down
from lake.embeddings.search import search
from lake.maintenance.damage import inspect_table, repair
from lake.releases.releases import find_release, is_tagged, live_release, open_release
from lake.storage.corruption import CorruptTableError
from lake.storage.lake import Lake
from schemas.errors import UserError
from schemas.settings import S3Settings, Settings
from tests.flows.released import IDS, TABLE, create_lake, publish_release, write_rows
from tests.lake.rows import unit_vector

MORE = [f"u{number:03}" for number in range(5)]
DAMAGES = {"half": lambda text: text[: len(text) // 2], "zeros": lambda text: bytes(len(text)), "empty": lambda _: b""}


@pytest.fixture(params=["local", "s3"])
def home(request, tmp_path):
    """A lake whose release 1 has IDS, release 2 MORE too; the table has one version more."""
    uri = str(tmp_path / "lake") if request.param == "local" else request.getfixturevalue("s3_bucket")
    home = create_lake(uri)
    write_rows(home, MORE)
    publish_release(home)
    home.table(TABLE).restore()
    return home


def damage(home, version, how="half"):
    """Damage the manifest of one version of the embeddings table."""
    (path,) = home.file_system().glob(f"{home.table_uri(TABLE)}/_versions/{(1 << 64) - 1 - version:020}.manifest")
    home.file_system().pipe_file(path, DAMAGES[how](home.file_system().cat_file(path)))


def repair_lake(home):
    settings = Settings(lake=home.uri)
    assert "tonelake maintain --repair" in {finding.run for finding in examine_lakes(settings)}
    results = maintain(MaintainRequest(14, repair=True), settings, print)
    assert {finding.check for finding in examine_lakes(settings)} <= {"coverage"}
    return [action for result in results for action in result.done if "cannot be read" in action]


def released_ids(home, number):
    pinned, spec = open_release(home, find_release(home, number))
    return {hit.track_id for hit in search(pinned, spec, unit_vector("a1", 8).astype("f4"), 100)}


@pytest.mark.parametrize("how", DAMAGES)
def test_a_damaged_live_version_is_reported_and_repaired(tmp_path, how):
    home = create_lake(tmp_path / "lake")
    write_rows(home, MORE)
    damage(home, live_release(home).snapshot.lance_version, how)
    with pytest.raises(CorruptTableError, match=r"an older version cannot be read; run `tonelake doctor`"):
        maintain(MaintainRequest(14), Settings(lake=home.uri), print)
    with pytest.raises(CorruptTableError, match="version 2 cannot be read"):
        released_ids(home, 1)
    assert repair_lake(home)
    assert is_tagged(home, live_release(home))
    assert released_ids(home, 1) <= {*IDS, *MORE}


def test_a_release_falls_back_to_the_version_before(home):
    damage(home, find_release(home, 2).snapshot.lance_version)
    assert len(repair_lake(home)) == 1
    assert released_ids(home, 2) == released_ids(home, 1) == {*IDS}
    assert home.table(TABLE).count_rows() == len(IDS + MORE)  # the newest version is not damaged


@pytest.mark.parametrize("killed_at", ["mv", "restore"])
def test_a_killed_repair_leaves_no_release_of_a_removed_version(home, killed_at, monkeypatch):
    newest = home.table(TABLE).version
    for version in (newest, newest - 1):  # release 2 names the second newest
        damage(home, version)

    def kill(*_):
        raise KeyboardInterrupt

    settings = Settings(lake=home.uri)
    with monkeypatch.context() as patch:
        if killed_at == "restore":
            patch.setattr(lance.LanceDataset, "restore", kill)
        else:
            move, files = home.file_system().mv, type(home.file_system())
            patch.setattr(files, "mv", lambda _, *paths: (move(*paths), kill()))
        with pytest.raises(KeyboardInterrupt):
            maintain(MaintainRequest(14, repair=True), settings, print)
    if killed_at == "mv":
        assert repair_lake(home)
    assert released_ids(home, 2) == {*IDS}
    write_rows(home, MORE[:2])  # as the next index does
    assert released_ids(home, 2) == {*IDS}
    assert inspect_table(home, TABLE) is None


def test_numbers_of_lost_versions_are_not_reused_and_moved_manifests_are_kept(home):
    lost = home.table(TABLE).version
    for _ in range(2):  # the disk damages the same version twice
        damage(home, lost)
        repair(home, TABLE, inspect_table(home, TABLE))
        assert home.table(TABLE).version > lost
    assert len(home.file_system().find(f"{home.uri}/_damaged")) == 2


def test_a_takedown_does_not_finish_while_a_version_cannot_be_read(tmp_path):
    home = create_lake(tmp_path / "lake")
    damage(home, 1)
    settings, request = Settings(lake=home.uri), TakedownRequest((IDS[0],))
    with pytest.raises(CorruptTableError, match="tonelake doctor"):
        take_down(request, settings, print)
    with pytest.raises(UserError, match=r"is not finished: .*tonelake takedown"):
        maintain(MaintainRequest(14, repair=True), settings, print)
    assert take_down(request, settings, print).is_clean
    assert IDS[0] not in home.table(TABLE).to_table()["track_id"].to_pylist()
    assert examine_lakes(settings) == []


def test_a_version_that_the_store_refuses_is_not_damaged(monkeypatch):
    def refuse(*_, **__):
        raise ValueError("LanceError(IO): The operation lacked the necessary privileges to complete")

    monkeypatch.setattr(lance, "dataset", refuse)
    with pytest.raises(OSError, match="necessary privileges") as raised:
        Lake("s3://bucket/lake", S3Settings()).table("tracks")
    assert not isinstance(raised.value, UserError)
