"""`tonelake doctor --hubs` names a track that is near to every word, and no other."""

import json

import numpy as np
import pytest

from flows.operations.hubs import find_hubs
from flows.search.text_side import TextSide
from schemas.errors import UserError
from schemas.settings import Settings
from tests.cli import run_here
from tests.lake.rows import SPEC, make_small_lake, unit_vector

TRACKS = 200


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    return make_small_lake(str(tmp_path_factory.mktemp("hubs") / "lake"), commits=1, tracks=TRACKS)


def doctor(lake):
    named = run_here("--lake", lake.uri, "--json", "--encoder", SPEC.name, "doctor", "--hubs")
    return json.loads(named.stdout)


def words_near(name):
    """Return a text side's `embed`: every word has a part of the vector of a track."""

    def embed(_, text):
        vector = unit_vector(text, 8).astype(np.float32) + (unit_vector(name, 8).astype(np.float32) if name else 0)
        return vector / np.linalg.norm(vector)

    return embed


def test_a_track_that_is_near_to_every_word_is_named(lake, monkeypatch):
    monkeypatch.setattr(TextSide, "embed", words_near("t00031"))
    hubs = doctor(lake)
    assert hubs[0]["track_id"] == "t0003"
    assert hubs[0]["answers"] > 5 * hubs[0]["expected"] == pytest.approx(50 * hubs[0]["questions"] / TRACKS)
    assert all(hub["answers"] >= hubs[0]["questions"] / 10 for hub in hubs)


def test_ordinary_words_have_no_hubs(lake, monkeypatch):
    monkeypatch.setattr(TextSide, "embed", words_near(None))
    assert doctor(lake) == []


def test_an_encoder_without_a_text_tower_is_one_line(lake):
    with pytest.raises(UserError, match="made-up"):
        find_hubs(Settings(lake=lake.uri), SPEC.embedding_version)
