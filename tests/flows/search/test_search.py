"""Hits of a search: their order, and what a filter leaves out."""

import numpy as np
import pytest

from flows.search.search import search
from lake.releases.publish import draft, publish
from lake.releases.releases import take_snapshot
from lake.storage.lake import Lake
from schemas.settings import Settings
from schemas.tables import embeddings_table
from tests.lake.rows import SPEC, make_small_lake


@pytest.fixture
def lake(tmp_path) -> Lake:
    lake = make_small_lake(str(tmp_path / "lake"), commits=1, tracks=20)
    publish(lake, draft(None, take_snapshot(lake, SPEC), "run", "index"), print)
    return lake


def test_hits_are_ordered_by_cosine(lake):
    hits = search(Settings(lake=lake.uri), like="t0003", k=10)
    rows = lake.table(embeddings_table(SPEC)).to_table(columns=["track_id", "vector"]).to_pylist()
    vectors = {row["track_id"]: np.array(row["vector"]) for row in rows}
    cosines = {name: float(vector @ vectors["t0003"]) for name, vector in vectors.items() if name != "t0003"}
    assert [hit.rank for hit in hits] == list(range(1, 11))
    assert [hit.track_id for hit in hits] == sorted(cosines, key=cosines.__getitem__, reverse=True)[:10]
    np.testing.assert_allclose([hit.score for hit in hits], sorted(cosines.values(), reverse=True)[:10], atol=1e-3)


def test_the_track_itself_is_no_hit(lake):
    hits = search(Settings(lake=lake.uri), like="t0003", k=100)
    assert {hit.track_id for hit in hits} == {f"t{number:04d}" for number in range(20)} - {"t0003"}
