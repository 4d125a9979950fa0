"""Lakes and model folders that a stranger made: whoever opens them stays within them."""

import json
import shutil
from dataclasses import asdict, replace

import pytest

from flows.export.export import ExportRequest, export
from flows.export.rebuild import again
from lake.benchmarks.results import corpus_lake, read_items
from lake.catalogue.encoders import versions
from lake.embeddings.search import Filter, nearest_rows
from lake.export.log import exports
from lake.storage.lake import Lake
from schemas.errors import UserError
from schemas.settings import S3Settings, Settings
from schemas.training import Cell, Trained
from tests.flows.released import lake_at
from tests.lake.rows import SPEC
from workers.encoders.registry import encoder_entry


@pytest.fixture
def home(tmp_path):
    return lake_at(tmp_path / "lake")


def test_a_table_a_corpus_or_an_evaluation_names_no_place_outside_its_lake(home, tmp_path):
    lake_at(tmp_path / "private")
    for read in (home.table, home.uri_of, lambda name: corpus_lake(home, name), lambda name: read_items(home, name)):
        for name in ("../private/tracks", "/etc/passwd", "..", ""):
            with pytest.raises(UserError, match="no place in it"):
                read(name)
    assert home.table("tracks").count_rows() == 40


@pytest.mark.parametrize("field", ["name", "base"])
def test_an_encoder_of_a_lake_has_a_name_and_no_path(home, field):
    spec = json.dumps(asdict(SPEC) | {field: "x/../../private"})
    home.table("encoders").update({"spec": f"'{spec}'"})
    with pytest.raises(UserError, match="no name of an encoder"):
        versions(home)


def test_a_copied_book_of_exports_touches_none_of_another_lakes(home, tmp_path):
    """Where a takedown in it would remove an export, its release being gone: the other lake's stays, byte for byte."""
    export(ExportRequest(str(tmp_path / "out")), Settings(lake=home.uri), print)
    site = tmp_path / "site"
    site.mkdir()
    (site / "manifest.json").write_text('{"name": "a web page"}')
    shutil.copytree(home.uri, tmp_path / "strangers")
    theirs = Lake.at(str(tmp_path / "strangers"), S3Settings())
    theirs.table("releases").update({"lance_version": "99"}, where="number = 1")
    (recorded,) = exports(theirs)
    before = {path: path.read_bytes() for path in (*(tmp_path / "out").iterdir(), *site.iterdir())}
    for uri, why in ((recorded.uri, f"an export of the lake {home.uri}"), (str(site), "no manifest of tonelake")):
        told = again(theirs, Settings(lake=theirs.uri), replace(recorded, uri=uri), print)
        assert (told.state, why in told.message) == ("out of reach", True)
    assert {path: path.read_bytes() for path in (*(tmp_path / "out").iterdir(), *site.iterdir())} == before


def test_the_exports_of_a_lake_that_was_moved_are_still_its_own(home, tmp_path):
    export(ExportRequest(str(tmp_path / "out")), Settings(lake=home.uri), print)
    shutil.move(home.uri, tmp_path / "moved")
    moved = Lake.at(str(tmp_path / "moved"), S3Settings())
    moved.table("releases").update({"lance_version": "99"}, where="number = 1")
    assert again(moved, Settings(lake=moved.uri), exports(moved)[0], print).state == "removed"


def test_a_model_that_is_its_own_base_is_one_line(tmp_path):
    for name, base in (("a", "b"), ("b", "a")):
        (tmp_path / name).mkdir()
        told = (name, Cell(), 8, "", str(tmp_path / base), "", (), {}, 0, [], {})
        (tmp_path / name / "model.json").write_text(Trained(*told).to_json())
    with pytest.raises(UserError, match="is trained on itself"):
        encoder_entry(str(tmp_path / "a"))


@pytest.mark.parametrize(
    "where",
    ["true) OR (true", "true) --", "true) /*", "true); (", "'a", "track_id = 'it''s", "(true", "`true", 'true) OR ("'],
)
def test_a_filter_cannot_undo_those_beside_it(home, where):
    with pytest.raises(UserError, match="is not one condition"):
        nearest_rows(home, SPEC, None, 5, ["track_id"], Filter(where, tag="no track has it"))


@pytest.mark.parametrize("where", ["year > (SELECT 1)", "title = read_text('/etc/passwd')", "title = $$x$$"])
def test_a_filter_reads_nothing_but_its_row(home, where):
    with pytest.raises(UserError, match="cannot search with --where"):
        nearest_rows(home, SPEC, None, 5, ["track_id"], Filter(where))


@pytest.mark.parametrize("where", ["title = ')' OR (track_id = 't001')", "title = 'it''s -- (' OR track_id = 't001'"])
def test_brackets_and_marks_in_quotes_are_text(home, where):
    assert nearest_rows(home, SPEC, None, 5, ["track_id"], Filter(where))["track_id"].to_pylist() == ["t001"]
