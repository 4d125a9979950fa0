"""Destinations that no export may use: the lake's own files, and files of something else."""

from datetime import timedelta

import pytest

from flows.export.export import ExportRequest, write_export
from flows.export.rebuild import rebuild_export
from flows.export.source import resolve_source
from lake.export.log import list_exports
from schemas.errors import UserError
from schemas.settings import Settings
from tests.flows.released import TABLE, create_lake, rebuild_first_release_without, write_rows
from tests.lake.rows import SPEC


@pytest.fixture(params=["local", "s3"])
def home(request, tmp_path):
    return create_lake(
        tmp_path / "lake" if request.param == "local" else f"{request.getfixturevalue('s3_bucket')}/lake"
    )


@pytest.mark.parametrize("path", ["", "/out", f"/{TABLE}.lance/out", "/benchmarks/out"])
def test_a_path_inside_the_lake_is_refused(home, path):
    before = sorted(home.file_system().find(home.uri))
    settings = Settings(lake=home.uri)
    for form in ("lance", "neighbours"):
        with pytest.raises(UserError, match="is inside the lake"):
            write_export(ExportRequest(home.uri + path, format=form), settings, print)
    assert sorted(home.file_system().find(home.uri)) == before


def test_a_link_into_the_lake_is_refused(tmp_path):
    home = create_lake(tmp_path / "lake")
    (tmp_path / "link").symlink_to(tmp_path / "lake")
    with pytest.raises(UserError, match="is inside the lake"):
        write_export(ExportRequest(str(tmp_path / "link/out")), Settings(lake=home.uri), print)


@pytest.mark.parametrize("text", ["[1]", '{"name": "an app"}', "no json"])
def test_the_manifest_of_something_else_is_left_alone(tmp_path, text):
    home = create_lake(tmp_path / "lake")
    manifest = tmp_path / "out/manifest.json"
    manifest.parent.mkdir()
    manifest.write_text(text)
    with pytest.raises(UserError, match="is no manifest of tonelake"):
        write_export(ExportRequest(str(manifest.parent)), Settings(lake=home.uri), print, replaces=True)
    assert manifest.read_text() == text


def test_a_table_that_a_takedown_rebuilt_is_not_read(tmp_path):
    home = create_lake(tmp_path / "lake")
    source = resolve_source(Settings(lake=home.uri), SPEC.embedding_version, None)
    source.require_current()
    write_rows(home, ["more"])
    source.require_current()
    table = home.table(TABLE)
    table.tags.delete("release-1")
    table.cleanup_old_versions(timedelta(0))
    with pytest.raises(UserError, match="was rebuilt meanwhile"):
        source.require_current()


def test_a_release_of_another_version_than_the_named_one_is_refused(tmp_path):
    home = create_lake(tmp_path / "lake")
    assert resolve_source(Settings(lake=home.uri), SPEC.embedding_version, 1).release == 1
    with pytest.raises(UserError, match=r"release 1 .* is of .*, not of 0123456789ab"):
        resolve_source(Settings(lake=home.uri), "0123456789ab", 1)


def test_an_earlier_export_inside_the_lake_is_found_by_a_takedown(tmp_path, monkeypatch):
    home = create_lake(tmp_path / "lake")
    settings = Settings(lake=home.uri)
    with monkeypatch.context() as earlier:
        earlier.setattr("flows.export.export.require_outside", lambda *_: None)
        write_export(ExportRequest(f"{home.uri}/out"), settings, print)
    rebuild_first_release_without(home, "t005")
    (recorded,) = list_exports(home)
    assert rebuild_export(home, settings, recorded, print).state == "written anew"
