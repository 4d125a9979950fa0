"""A new head or tagger: vectors and tags come from stored features, without decoding."""

from dataclasses import replace

import numpy as np
import pytest

from flows.console.progress import ProgressReporter
from flows.ingest import embed
from flows.ingest.dry_run import estimates
from flows.ingest.index import index_catalogue
from flows.ingest.refresh import current_specs
from flows.ingest.report import IndexRequest
from flows.releases.promote import PromoteRequest, promote
from flows.search.search import search
from lake.storage.lake import Lake
from schemas.settings import S3Settings, Settings
from schemas.tables import embeddings_table
from tests.cli import run_json
from tests.conformance.models import fetch_models
from tests.flows.catalogue import run_in_process
from workers.encoders.registry import ENCODERS


@pytest.fixture(scope="module")
def lake(rendered, tmp_path_factory):
    """Two tracks embedded by musicnn."""
    fetch_models(*ENCODERS["musicnn"].weights)
    lake = tmp_path_factory.mktemp("upgrade") / "lake"
    report = run_json(lake, "index", rendered, "--limit", "2", encoder="musicnn")
    assert report["embedded"] == 2
    return str(lake)


def upgrade(lake, rendered, monkeypatch, **changes):
    """Index with a changed spec; fail if audio would be decoded."""
    encoder = ENCODERS["musicnn"]
    monkeypatch.setitem(ENCODERS, "musicnn", replace(encoder, spec=replace(encoder.spec, **changes)))
    monkeypatch.setattr(embed, "choose_executor", lambda *_: pytest.fail("audio would be decoded"))
    settings = Settings(lake=lake, encoder="musicnn")
    plan = estimates(IndexRequest((str(rendered),), limit=2), settings, print)[0]
    assert (plan.would_embed, plan.cost.estimated_audio_seconds, plan.cost.core_seconds) == (2, 0, 0)
    return ENCODERS["musicnn"].spec, *index_catalogue(
        IndexRequest((str(rendered),), limit=2), settings, ProgressReporter()
    )


def rows(lake, spec):
    table = Lake.at(lake, S3Settings()).table(embeddings_table(spec)).to_table()
    return table.drop_columns(["run_id", "tags_version"]).sort_by("track_id").to_pylist()


def test_a_new_head_is_computed_from_features(lake, rendered, monkeypatch):
    old = ENCODERS["musicnn"].spec
    new, report = upgrade(lake, rendered, monkeypatch, head=replace(old.head, revision=2))
    assert new.embedding_version != old.embedding_version
    assert new.feature_version == old.feature_version
    assert (report.coverage.embedded, report.embedded_now, report.audio_seconds, report.unfinished) == (2, 2, 0, 0)
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
    assert (report.coverage.embedded, report.embedded_now, report.audio_seconds) == (2, 2, 0)
    after = rows(lake, new)
    assert [row["tag_names"] for row in after] != [row["tag_names"] for row in before]
    for row, old_row in zip(after, before, strict=True):
        np.testing.assert_array_equal(row["vector"], old_row["vector"])
        assert row["tags"] == old_row["tags"]
    assert Lake.at(lake, S3Settings()).table("audio_facts").to_table() == facts
    assert {counts["pending"] for counts in run_json(lake, "status")["encoders"]} == {4}


def test_a_lake_of_an_earlier_tonelake_is_read_and_moves_to_the_new_head(rendered, tmp_path, monkeypatch):
    """Its `musicnn` is today's `musicnn-conse`: the same version, so it is read and kept current."""
    lake, conse, request = str(tmp_path / "lake"), ENCODERS["musicnn-conse"], IndexRequest((str(rendered),), limit=2)
    fetch_models(*conse.weights)
    with pytest.MonkeyPatch.context() as earlier:
        run_in_process([], earlier)
        earlier.setitem(ENCODERS, "musicnn", replace(conse, spec=replace(conse.spec, name="musicnn", base="")))
        (old,) = index_catalogue(request, Settings(lake=lake, encoder="musicnn"), ProgressReporter())
    reader = Settings(lake=lake)
    before = [hit.score for hit in search(reader, text="flute")]
    assert len(before) == 2
    assert [spec.embedding_version for spec in current_specs(Lake.at(lake, S3Settings()), reader, print)] == [
        old.embedding_version
    ]
    monkeypatch.setattr(embed, "choose_executor", lambda *_: pytest.fail("audio would be decoded"))
    (new,) = index_catalogue(request, Settings(lake=lake, encoder="musicnn"), ProgressReporter())
    assert (new.coverage.embedded, new.audio_seconds, new.embedding_version != old.embedding_version) == (2, 0, True)
    assert [hit.score for hit in search(reader, text="flute")] == before
    assert promote(PromoteRequest(new.embedding_version), reader).published
    after = [hit.score for hit in search(reader, text="flute")]
    assert len(after) == 2
    assert after != before
