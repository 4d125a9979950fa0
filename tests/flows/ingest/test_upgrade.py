"""A new head or tagger: vectors and tags are computed from stored features, and no file is opened."""

from dataclasses import replace

import numpy as np
import pytest

from flows.console.progress import Watch
from flows.ingest.dry_run import estimate
from flows.ingest.index import index_catalogue
from flows.ingest.refresh import current_specs
from flows.ingest.report import IndexRequest
from flows.releases.promote import PromoteRequest, promote
from flows.search.search import find
from lake.storage.lake import Lake
from schemas.settings import S3Settings, Settings
from schemas.tables import embeddings_table
from tests.cli import answer
from tests.conformance.models import models_with
from tests.flows.catalogue import here
from workers.distributed import cluster as stages
from workers.encoders.registry import ENCODERS


@pytest.fixture(scope="module")
def lake(rendered, tmp_path_factory):
    """Two tracks embedded by musicnn."""
    models_with(*ENCODERS["musicnn"].weights)
    lake = tmp_path_factory.mktemp("upgrade") / "lake"
    report = answer(lake, "index", rendered, "--limit", "2", encoder="musicnn")
    assert report["embedded"] == 2
    return str(lake)


def upgrade(lake, rendered, monkeypatch, **changes):
    """Indexes with a changed spec; fails where audio would be decoded."""
    entry = ENCODERS["musicnn"]
    monkeypatch.setitem(ENCODERS, "musicnn", replace(entry, spec=replace(entry.spec, **changes)))
    monkeypatch.setattr(stages, "embed", lambda *_: pytest.fail("audio was to be decoded"))
    settings = Settings(lake=lake, encoder="musicnn")
    told = estimate(IndexRequest((str(rendered),), limit=2), settings)
    assert (told["would_embed"], told["estimated_audio_seconds"], told["core_seconds"]) == (2, 0, 0)
    return ENCODERS["musicnn"].spec, *index_catalogue(IndexRequest((str(rendered),), limit=2), settings, Watch())


def rows(lake, spec):
    table = Lake.at(lake, S3Settings()).table(embeddings_table(spec)).to_table()
    return table.drop_columns(["run_id", "tags_version"]).sort_by("track_id").to_pylist()


def test_a_new_head_is_computed_from_features(lake, rendered, monkeypatch):
    old = ENCODERS["musicnn"].spec
    new, report = upgrade(lake, rendered, monkeypatch, head=replace(old.head, revision=2))
    assert new.embedding_version != old.embedding_version
    assert new.feature_version == old.feature_version
    assert (report.embedded, report.embedded_now, report.audio_seconds, report.unfinished) == (2, 2, 0, 0)
    for row, before in zip(rows(lake, new), rows(lake, old), strict=True):
        np.testing.assert_array_equal(row.pop("vector"), before.pop("vector"))
        assert row == before


def test_a_new_tagger_rewrites_tags_alone(lake, rendered, monkeypatch):
    old = ENCODERS["musicnn"].spec
    before = rows(lake, old)
    facts = Lake.at(lake, S3Settings()).table("audio_facts").to_table()
    new, report = upgrade(lake, rendered, monkeypatch, tagger=replace(old.tagger, threshold=0.99))
    assert new.embedding_version == old.embedding_version
    assert new.tags_version != old.tags_version
    assert (report.embedded, report.embedded_now, report.audio_seconds) == (2, 2, 0)
    after = rows(lake, new)
    assert [row["tag_names"] for row in after] != [row["tag_names"] for row in before]
    for row, was in zip(after, before, strict=True):
        np.testing.assert_array_equal(row["vector"], was["vector"])
        assert row["tags"] == was["tags"]
    assert Lake.at(lake, S3Settings()).table("audio_facts").to_table() == facts
    assert {found["pending"] for found in answer(lake, "status")["encoders"]} == {4}


def test_a_lake_of_an_earlier_tonelake_is_read_and_moves_to_the_new_head(rendered, tmp_path, monkeypatch):
    """Its `musicnn` was what is `musicnn-conse` today: the same version, so it is read, and kept current."""
    lake, conse, request = str(tmp_path / "lake"), ENCODERS["musicnn-conse"], IndexRequest((str(rendered),), limit=2)
    models_with(*conse.weights)
    with pytest.MonkeyPatch.context() as earlier:
        here([], earlier)
        earlier.setitem(ENCODERS, "musicnn", replace(conse, spec=replace(conse.spec, name="musicnn", base="")))
        (old,) = index_catalogue(request, Settings(lake=lake, encoder="musicnn"), Watch())
    reader = Settings(lake=lake)
    before = [row["score"] for row in find(reader, text="flute")]
    assert len(before) == 2
    assert [spec.embedding_version for spec in current_specs(Lake.at(lake, S3Settings()), reader, print)] == [
        old.embedding_version
    ]
    monkeypatch.setattr(stages, "embed", lambda *_: pytest.fail("audio was to be decoded"))
    (new,) = index_catalogue(request, Settings(lake=lake, encoder="musicnn"), Watch())
    assert (new.embedded, new.audio_seconds, new.embedding_version != old.embedding_version) == (2, 0, True)
    assert [row["score"] for row in find(reader, text="flute")] == before
    assert promote(PromoteRequest(new.embedding_version), reader).published
    after = [row["score"] for row in find(reader, text="flute")]
    assert len(after) == 2
    assert after != before
