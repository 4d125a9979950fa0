"""Lakes and model folders from untrusted sources: opening one touches nothing outside it."""

import json
import shutil
from dataclasses import asdict, replace

import pytest

from flows.export.export import ExportRequest, write_export
from flows.export.rebuild import rebuild_export
from lake.benchmarks.results import corpus_lake, read_predictions
from lake.catalogue.encoders import list_encoder_versions
from lake.embeddings.filters import Filter
from lake.embeddings.search import nearest_rows
from lake.export.log import list_exports
from lake.storage.lake import Lake
from schemas.errors import UserError
from schemas.settings import S3Settings, Settings
from schemas.training import TrainedModel, TrainingConfig
from tests.flows.released import create_lake
from tests.lake.rows import SPEC
from workers.encoders.registry import find_by_name


@pytest.fixture
def lake(tmp_path):
    return create_lake(tmp_path / "lake")


def test_names_of_tables_corpora_and_evaluations_stay_inside_the_lake(lake, tmp_path):
    create_lake(tmp_path / "private")
    for read in (
        lake.table,
        lake.table_uri,
        lambda name: corpus_lake(lake, name),
        lambda name: read_predictions(lake, name),
    ):
        for name in ("../private/tracks", "/etc/passwd", "..", ""):
            with pytest.raises(UserError, match="leads out of it"):
                read(name)
    assert lake.table("tracks").count_rows() == 40


@pytest.mark.parametrize("field", ["name", "base"])
def test_an_encoder_name_in_a_lake_is_no_path(lake, field):
    spec = json.dumps(asdict(SPEC) | {field: "x/../../private"})
    lake.table("encoders").update({"spec": f"'{spec}'"})
    with pytest.raises(UserError, match="not a valid encoder name"):
        list_encoder_versions(lake)


def test_a_copied_export_log_touches_no_export_of_the_original_lake(lake, tmp_path):
    """A takedown removes exports of lost releases, but in a copy of the lake not those of the original."""
    write_export(ExportRequest(str(tmp_path / "out")), Settings(lake=lake.uri), print)
    site = tmp_path / "site"
    site.mkdir()
    (site / "manifest.json").write_text('{"name": "a web page"}')
    shutil.copytree(lake.uri, tmp_path / "copied")
    copied = Lake.at(str(tmp_path / "copied"), S3Settings())
    copied.table("releases").update({"lance_version": "99"}, where="number = 1")
    (recorded,) = list_exports(copied)
    paths = [path for folder in (tmp_path / "out", site) for path in folder.rglob("*") if path.is_file()]
    before = {path: path.read_bytes() for path in paths}
    for uri, reason in ((recorded.uri, f"an export of the lake {lake.uri}"), (str(site), "no manifest of tonelake")):
        result = rebuild_export(copied, Settings(lake=copied.uri), replace(recorded, uri=uri), print)
        assert (result.state, reason in result.message) == ("out of reach", True)
    assert {path: path.read_bytes() for path in paths} == before


def test_a_moved_lake_still_owns_its_exports(lake, tmp_path):
    write_export(ExportRequest(str(tmp_path / "out")), Settings(lake=lake.uri), print)
    shutil.move(lake.uri, tmp_path / "moved")
    moved = Lake.at(str(tmp_path / "moved"), S3Settings())
    moved.table("releases").update({"lance_version": "99"}, where="number = 1")
    assert rebuild_export(moved, Settings(lake=moved.uri), list_exports(moved)[0], print).state == "removed"


def test_a_model_that_is_its_own_base_is_refused(tmp_path):
    for name, base in (("a", "b"), ("b", "a")):
        (tmp_path / name).mkdir()
        fields = (name, TrainingConfig(), 8, "", str(tmp_path / base), "", (), {}, 0, [], {})
        (tmp_path / name / "model.json").write_text(TrainedModel(*fields).to_json())
    with pytest.raises(UserError, match="is trained on itself"):
        find_by_name(str(tmp_path / "a"))


@pytest.mark.parametrize(
    "where",
    ["true) OR (true", "true) --", "true) /*", "true); (", "'a", "track_id = 'it''s", "(true", "`true", 'true) OR ("'],
)
def test_a_filter_cannot_undo_other_filters(lake, where):
    with pytest.raises(UserError, match="is not one condition"):
        nearest_rows(lake, SPEC, None, 5, ["track_id"], Filter(where, tags=("no track has it",)))


@pytest.mark.parametrize("where", ["year > (SELECT 1)", "title = read_text('/etc/passwd')", "title = $$x$$"])
def test_a_filter_reads_nothing_but_its_row(lake, where):
    with pytest.raises(UserError, match="cannot search with --where"):
        nearest_rows(lake, SPEC, None, 5, ["track_id"], Filter(where))


@pytest.mark.parametrize("where", ["title = ')' OR (track_id = 't001')", "title = 'it''s -- (' OR track_id = 't001'"])
def test_brackets_and_comment_marks_in_quotes_are_text(lake, where):
    assert nearest_rows(lake, SPEC, None, 5, ["track_id"], Filter(where))["track_id"].to_pylist() == ["t001"]
