"""A vector index that cannot be read: searches go on without it, doctor names it, maintain builds it anew."""

from pathlib import Path

import pytest

from flows.search.engine import answer
from flows.search.reader import open_reader
from lake.embeddings.indexes import update_indexes
from lake.embeddings.vector_index import vector_index_of
from lake.releases.publish import draft, publish
from lake.releases.releases import take_snapshot
from schemas.search import Query, QueryPart
from schemas.settings import Settings
from schemas.tables import embeddings_table
from tests.cli import run_here, run_json
from tests.lake.rows import SPEC, make_small_lake

NAME = embeddings_table(SPEC)


def overwrite(file: Path) -> None:
    file.write_bytes(bytes(file.stat().st_size))


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


@pytest.mark.parametrize("damage", [overwrite, cut, Path.unlink], ids=["zeros", "cut", "gone"])
def test_a_search_compares_all_vectors_until_maintain_builds_the_index_anew(tmp_path, monkeypatch, caplog, damage):
    for module in ("embeddings.indexes", "maintenance.invariants"):
        monkeypatch.setattr(f"lake.{module}.VECTOR_INDEX_ROWS", 10)
    lake = make_small_lake(str(tmp_path / "lake"), commits=1, tracks=300)
    update_indexes(lake.table(NAME), NAME)
    publish(lake, draft(None, take_snapshot(lake, SPEC), "run", "index"), print)
    query = Query((QueryPart("track", "t0003"),), k=20)
    before = [hit.track_id for hit in answer(open_reader(Settings(lake=lake.uri)), query).hits]
    index = vector_index_of(lake.table(NAME))
    folder = Path(lake.table_uri(NAME), "_indices", str(index.segments[0].uuid))
    for file in folder.iterdir():
        damage(file)

    assert [hit.track_id for hit in answer(open_reader(Settings(lake=lake.uri)), query).hits] == before
    assert "the index of vector" in caplog.text
    assert "cannot be read: all are compared" in caplog.text
    findings = run_json(lake.uri, "doctor", code=1)
    assert "the index of vector cannot be read: a search compares every vector" in str(findings)

    run_here("--lake", lake.uri, "maintain")
    assert "the index of vector" not in str(run_json(lake.uri, "doctor"))
    renewed = vector_index_of(lake.table(NAME))
    assert renewed.segments[0].uuid != index.segments[0].uuid
