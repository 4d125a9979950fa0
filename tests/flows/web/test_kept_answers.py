"""Nothing that the service keeps is of another version, too old, or more than JSON can say."""

import json
import threading

import pytest

from flows.web.limits import Recent
from flows.web.paths import hide_paths
from flows.web.readers import Readers
from lake.embeddings.filters import Filter
from lake.embeddings.search import explain_filter
from schemas.settings import Settings
from tests.flows.web.service import API, IDS, make_lake, serving
from tests.lake.rows import SPEC


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    return make_lake(tmp_path_factory.mktemp("kept"))


def test_the_release_and_the_current_table_of_one_version_are_two_states(lake):
    readers = Readers(Settings(lake=lake.uri), {})
    states = [readers.etag(), readers.etag(SPEC.embedding_version)]
    assert len(set(states)) == 2
    assert [readers.etag(), readers.etag(SPEC.embedding_version)] == states


def test_a_report_is_made_anew_after_a_takedown():
    made, takedowns = [], [1]
    report = Recent(lambda: made.append(0) or len(made), 60.0, lambda: takedowns[0])
    assert [report.get(), report.get()] == [1, 1]
    takedowns[0] = 2
    assert [report.get(), report.get()] == [2, 2]


def test_an_old_report_is_not_handed_out_while_a_new_one_is_made(monkeypatch):
    monkeypatch.setattr("flows.web.limits._OLD_REPORT_SECONDS", 0.0)
    made, got, may_end = [], [], threading.Event()

    def make():
        made.append(0)
        assert len(made) == 1 or may_end.wait(60)
        return len(made)

    report = Recent(make, 0.0)
    assert report.get() == 1
    askers = [threading.Thread(target=lambda: got.append(report.get())) for _ in range(2)]
    for asker in askers:
        asker.start()
    while len(made) < 2:
        may_end.wait(0.001)
    may_end.set()
    for asker in askers:
        asker.join()
    assert 1 not in got


def test_a_file_that_a_takedown_removed_is_no_fault_of_the_question():
    with pytest.raises(OSError, match="Not found"), explain_filter(Filter("year > 1")):
        raise OSError("LanceError(IO): Not found: /lake/tracks.lance/data/1.lance")


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("no source /audio/library/jazz here", "no source …/jazz here"),
        ("lake:/home/u/lake/t", "lake:…/t"),
        ("/api/v1/tracks/ID says why", "/api/v1/tracks/ID says why"),
        ("http://127.0.0.1:8765/track/x", "http://127.0.0.1:8765/track/x"),
    ],
)
def test_paths_are_cut_to_their_last_part(text, hidden):
    assert hide_paths(text) == hidden


def test_numbers_that_json_has_not_are_null(lake):
    extra = json.dumps({"gain": float("inf"), "levels": [float("nan"), 1]}).replace("'", "''")
    lake.table("tracks").update({"extra": f"'{extra}'"}, where=f"track_id = '{IDS[3]}'")
    with serving(lake) as client:
        hits = client.get(f"{API}/search", params={"like": IDS[0], "k": 12}).json()["hits"]
        assert client.get(f"/track/{IDS[3]}").status_code == 200
    assert next(hit["extra"] for hit in hits if hit["track_id"] == IDS[3]) == {"gain": None, "levels": [None, 1]}
