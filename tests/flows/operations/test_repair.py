"""Versions of a table that cannot be read: found wherever they are, put aside, and nothing that names them is left."""

import lance
import pytest

from flows.operations.doctor import doctor
from flows.operations.maintain import MaintainRequest, maintain
from flows.operations.takedown import ForgetRequest, forget
from lake.embeddings.search import search
from lake.maintenance.damage import left_of, mend
from lake.releases.releases import as_released, is_kept, live, release
from lake.storage.lake import Damaged, Lake
from schemas.errors import UserError
from schemas.settings import S3Settings, Settings
from tests.flows.released import IDS, TABLE, lake_at, released, write
from tests.lake.rows import unit

MORE = [f"u{number:03}" for number in range(5)]
DAMAGES = {"half": lambda text: text[: len(text) // 2], "zeros": lambda text: bytes(len(text)), "empty": lambda _: b""}


@pytest.fixture(params=["local", "s3"])
def home(request, tmp_path):
    """Release 1 is of IDS, release 2 of MORE too; the table is newer than both."""
    uri = str(tmp_path / "lake") if request.param == "local" else request.getfixturevalue("s3_bucket")
    home = lake_at(uri)
    write(home, MORE)
    released(home)
    home.table(TABLE).restore()
    return home


def spoil(home, version, how="half"):
    """Damages the manifest of one version of the embeddings."""
    (path,) = home.files().glob(f"{home.uri_of(TABLE)}/_versions/{(1 << 64) - 1 - version:020}.manifest")
    home.files().pipe_file(path, DAMAGES[how](home.files().cat_file(path)))


def mended(home):
    settings = Settings(lake=home.uri)
    assert "tonelake maintain --mend" in {one.run for one in doctor(settings)}
    done = maintain(MaintainRequest(14, mend=True), settings, print)
    assert not [one for one in doctor(settings) if one.check != "coverage"]
    return [text for care in done for text in care.done if "cannot be read" in text]


def found(home, number):
    pinned, spec = as_released(home, release(home, number))
    return {row["track_id"] for row in search(pinned, spec, unit("a1", 8).astype("f4"), 100)}


@pytest.mark.parametrize("how", DAMAGES)
def test_an_older_version_that_is_live_is_found_and_mended(tmp_path, how):
    home = lake_at(tmp_path / "lake")
    write(home, MORE)
    spoil(home, live(home).snapshot.lance_version, how)
    with pytest.raises(Damaged, match=r"an older version cannot be read; `tonelake doctor`"):
        maintain(MaintainRequest(14), Settings(lake=home.uri), print)
    with pytest.raises(Damaged, match="version 2 cannot be read"):
        found(home, 1)
    assert mended(home)
    assert is_kept(home, live(home))
    assert found(home, 1) <= {*IDS, *MORE}


def test_a_release_takes_the_version_before(home):
    spoil(home, release(home, 2).snapshot.lance_version)
    assert len(mended(home)) == 1
    assert found(home, 2) == found(home, 1) == {*IDS}
    assert home.table(TABLE).count_rows() == len(IDS + MORE), "the newest was whole"


@pytest.mark.parametrize("killed_at", ["mv", "restore"])
def test_a_mending_that_is_killed_leaves_no_release_of_what_is_gone(home, killed_at, monkeypatch):
    newest = home.table(TABLE).version
    for version in (newest, newest - 1):  # release 2 is of the one before the newest
        spoil(home, version)

    def kill(*_):
        raise KeyboardInterrupt

    settings = Settings(lake=home.uri)
    with monkeypatch.context() as patched:
        if killed_at == "restore":
            patched.setattr(lance.LanceDataset, "restore", kill)
        else:
            move, files = home.files().mv, type(home.files())
            patched.setattr(files, "mv", lambda _, *paths: (move(*paths), kill()))
        with pytest.raises(KeyboardInterrupt):
            maintain(MaintainRequest(14, mend=True), settings, print)
    if killed_at == "mv":
        assert mended(home)
    assert found(home, 2) == {*IDS}
    write(home, MORE[:2])  # the next index
    assert found(home, 2) == {*IDS}
    assert left_of(home, TABLE) is None


def test_numbers_of_lost_versions_are_not_used_again_and_what_was_put_aside_stays(home):
    lost = home.table(TABLE).version
    for _ in range(2):  # the disk has not become better
        spoil(home, lost)
        mend(home, TABLE, left_of(home, TABLE))
        assert home.table(TABLE).version > lost
    assert len(home.files().find(f"{home.uri}/_damaged")) == 2


def test_a_takedown_does_not_end_where_a_version_cannot_be_looked_into(tmp_path):
    home = lake_at(tmp_path / "lake")
    spoil(home, 1)
    settings, asked = Settings(lake=home.uri), ForgetRequest((IDS[0],))
    with pytest.raises(Damaged, match="tonelake doctor"):
        forget(asked, settings, print)
    with pytest.raises(UserError, match=r"is not finished: .*tonelake forget"):
        maintain(MaintainRequest(14, mend=True), settings, print)
    assert forget(asked, settings, print).is_clean
    assert IDS[0] not in home.table(TABLE).to_table()["track_id"].to_pylist()
    assert doctor(settings) == []


def test_a_version_that_the_store_withholds_is_not_called_damaged(monkeypatch):
    def withheld(*_, **__):
        raise ValueError("LanceError(IO): The operation lacked the necessary privileges to complete")

    monkeypatch.setattr(lance, "dataset", withheld)
    with pytest.raises(OSError, match="necessary privileges") as told:
        Lake("s3://bucket/lake", S3Settings()).table("tracks")
    assert not isinstance(told.value, UserError)
