"""Whether a store is reachable is checked at the store itself, unless there is a proxy before it."""

import pytest

from lake.catalogue.tracks import write_tracks
from lake.embeddings.indexes import compact_and_index
from lake.storage.lake import Lake
from lake.storage.store import require_reachable
from schemas.errors import UserError
from schemas.settings import S3Settings
from schemas.tracks import TRACKS
from tests.lake.rows import SPEC, make_listing, make_small_lake


def test_behind_a_proxy_only_requests_show_whether_a_store_answers(monkeypatch):
    store = S3Settings(endpoint_url="http://127.0.0.1:1")
    for name in ("http_proxy", "HTTP_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(UserError, match="no S3 store answers"):
        require_reachable(store)
    monkeypatch.setenv("http_proxy", "http://proxy:3128")
    require_reachable(store)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with pytest.raises(UserError, match="no S3 store answers"):
        require_reachable(store)


def test_two_runs_that_insert_one_key_at_once_write_one_row(tmp_path, monkeypatch):
    """Found by the simulator (seed 1026): Lance's merges by the index of track_id doubled new tracks."""
    lake = make_small_lake(str(tmp_path / "lake"))
    compact_and_index(lake, SPEC)
    assert any(index.field_names == ["track_id"] for index in lake.table("tracks").describe_indices())
    for name, write in (
        ("registered", lambda rows: write_tracks(lake, rows)),
        ("upserted", lambda rows: lake.upsert("tracks", TRACKS, rows)),
    ):
        rows, stale = make_listing([name]), lake.table("tracks")
        write(rows)
        with monkeypatch.context() as patches:
            patches.setattr(Lake, "open_or_create", lambda *_, stale=stale: stale)  # the table as a second run saw it
            write(rows)
        assert lake.table("tracks").to_table()["track_id"].to_pylist().count(name) == 1
