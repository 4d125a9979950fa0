"""The table of registered sources, when two runs write it."""

import pytest

from lake.catalogue.sources import TABLE, register_sources, registered_sources, remove_source
from lake.storage.lake import Lake
from schemas.errors import UserError
from schemas.settings import S3Settings


def test_a_removal_fails_if_a_run_lists_the_source_meanwhile(tmp_path):
    lake = Lake.at(str(tmp_path), S3Settings())
    register_sources(lake, {"/music": 10, "/label": 2}, listed=True)
    before = registered_sources(lake)
    table = lake.table(TABLE)
    # As `index` does with a source that it finds: its row stays as it is.
    assert register_sources(lake, {"/music": 11}, listed=False) == []
    with pytest.raises(UserError, match="another run has listed /music meanwhile: run the same command again"):
        remove_source(table, "/music")
    assert registered_sources(lake) == before
    remove_source(lake.table(TABLE), "/music")
    assert [row.source for row in registered_sources(lake)] == ["/label"]


def test_a_new_source_beside_it_stops_no_removal(tmp_path):
    lake = Lake.at(str(tmp_path), S3Settings())
    register_sources(lake, {"/music": 10}, listed=True)
    table = lake.table(TABLE)
    register_sources(lake, {"/label": None}, listed=False)
    remove_source(table, "/music")
    assert [row.source for row in registered_sources(lake)] == ["/label"]
