"""Where no export can be: among a lake's own files, or where something else is."""

from datetime import timedelta

import pytest

from flows.export.export import ExportRequest, chosen, export
from flows.export.neighbours import Neighbours, similar
from flows.export.rebuild import again
from lake.export.log import exports
from schemas.errors import UserError
from schemas.settings import Settings
from tests.flows.released import TABLE, lake_at, rebuilt, write
from tests.lake.rows import SPEC


@pytest.fixture(params=["local", "s3"])
def home(request, tmp_path):
    return lake_at(tmp_path / "lake" if request.param == "local" else f"{request.getfixturevalue('s3_bucket')}/lake")


@pytest.mark.parametrize("place", ["", "/out", f"/{TABLE}.lance/out", "/benchmarks/out"])
def test_a_place_inside_the_lake_is_refused(home, place):
    before = sorted(home.files().find(home.uri))
    settings = Settings(lake=home.uri)
    with pytest.raises(UserError, match="is inside the lake"):
        export(ExportRequest(home.uri + place, format="lance"), settings, print)
    if place:
        with pytest.raises(UserError, match="is inside the lake"):
            similar(Neighbours(home.uri + place), settings, print)
    assert sorted(home.files().find(home.uri)) == before


def test_a_link_into_the_lake_is_one_too(tmp_path):
    home = lake_at(tmp_path / "lake")
    (tmp_path / "link").symlink_to(tmp_path / "lake")
    with pytest.raises(UserError, match="is inside the lake"):
        export(ExportRequest(str(tmp_path / "link/out")), Settings(lake=home.uri), print)


@pytest.mark.parametrize("text", ["[1]", '{"name": "an app"}', "no json"])
def test_the_manifest_of_something_else_is_left_alone(tmp_path, text):
    home = lake_at(tmp_path / "lake")
    manifest = tmp_path / "out/manifest.json"
    manifest.parent.mkdir()
    manifest.write_text(text)
    with pytest.raises(UserError, match="is no manifest of tonelake"):
        export(ExportRequest(str(manifest.parent)), Settings(lake=home.uri), print, replaces=True)
    assert manifest.read_text() == text


def test_a_table_that_a_takedown_rebuilt_since_is_not_read(tmp_path):
    home = lake_at(tmp_path / "lake")
    read = chosen(Settings(lake=home.uri), SPEC.embedding_version, None)
    read.require_current()
    write(home, ["more"])
    read.require_current()
    table = home.table(TABLE)
    table.tags.delete("release-1")
    table.cleanup_old_versions(timedelta(0))
    with pytest.raises(UserError, match="was rebuilt meanwhile"):
        read.require_current()


def test_a_release_of_another_version_than_the_one_named_is_refused(tmp_path):
    home = lake_at(tmp_path / "lake")
    assert chosen(Settings(lake=home.uri), SPEC.embedding_version, 1).release == 1
    with pytest.raises(UserError, match=r"release 1 .* is of .*, not of 0123456789ab"):
        chosen(Settings(lake=home.uri), "0123456789ab", 1)


def test_one_that_was_begun_there_before_is_found_by_a_takedown(tmp_path, monkeypatch):
    home = lake_at(tmp_path / "lake")
    settings, place = Settings(lake=home.uri), f"{home.uri}/out"
    with monkeypatch.context() as earlier:
        earlier.setattr("flows.export.export.require_outside", lambda *_: None)
        export(ExportRequest(place), settings, print)
    rebuilt(home, "t005")
    (recorded,) = exports(home)
    assert again(home, settings, recorded, print).state == "written anew"
