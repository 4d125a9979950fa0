"""Names in questions, as they are typed: a lake finds the tracks that are meant, and says what it understood."""

import numpy as np
import pyarrow as pa
import pytest

from lake.catalogue.encoders import register_encoder
from lake.catalogue.tracks import register_tracks
from lake.embeddings import indexes
from lake.embeddings.committer import Committer
from lake.embeddings.indexes import compact_and_index
from lake.releases.publish import draft, publish
from lake.releases.releases import take_snapshot
from lake.storage.lake import Lake
from lake.storage.lease import Lease
from schemas.embeddings import outcome_schema
from schemas.settings import S3Settings, Settings
from schemas.tables import embeddings_table
from tests.cli import error_line, run_here, run_json
from tests.lake.rows import embedded_row, make_listing
from workers.encoders.fake import SPEC

NAMES = {
    "wonder": ("Stevie Wonder", "Superstition", 100.0, -10.0),
    "sunny": ("Stevie Wonder", "Sunny", 130.0, -8.0),
    "muller": ("Müller", "Abend", 90.0, -20.0),
    "chaos": ("Muldjord", "Chaos God", 80.0, -6.0),
    "piano": ("Anna", "Piano", 60.0, -30.0),
    "rain": ("Air", "Rain", None, None),
    "rain-too": ("Björk", "Rain", 70.0, -12.0),
    "cover": ("The Cover Band", "Superstition", 95.0, -11.0),
    "nameless": (None, None, 85.0, -14.0),
}


def row(name, axis):
    artist, title, bpm, loudness = NAMES[name]
    vector = np.zeros(SPEC.head.dim, np.float32)
    vector[axis], vector[-1] = 0.8, 0.6
    described = {"bpm": bpm, "loudness_lufs": loudness}
    made_up = embedded_row(name, artist=artist, title=title, vector=vector, features=None, **described)
    return made_up | {"window_vectors": []}


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    lake = Lake.at(str(tmp_path_factory.mktemp("lake")), S3Settings())
    with Lease(lake, embeddings_table(SPEC), "run", print) as lease, pytest.MonkeyPatch.context() as patches:
        patches.setattr(indexes, "NAME_INDEX_ROWS", 1)
        register_tracks(lake, make_listing([*NAMES]))
        register_encoder(lake, SPEC)
        committer = Committer(lake, SPEC, lease, "run", Settings())
        rows = [row(name, axis) for axis, name in enumerate(NAMES)]
        committer.add(pa.Table.from_pylist(rows, schema=outcome_schema(SPEC)))
        committer.flush()
        compact_and_index(lake, SPEC)
    publish(lake, draft(None, take_snapshot(lake, SPEC), "run", "index"), print)
    return lake.uri


def ids(lake, text, *options, k=3):
    return [hit["track_id"] for hit in run_json(lake, "search", text, "-k", k, *options)]


def understood(lake, text, *options):
    return run_here("--lake", lake, "--encoder", "fake", "search", text, *options).stderr.strip()


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("muller", ["muller"]),
        ("MÜLLER", ["muller"]),
        ("muljord chaos god", ["chaos"]),
        ("stevie wonder", ["sunny", "wonder"]),
        ("superstition by stevie wonder", ["wonder"]),
        ("superstition", ["cover", "wonder"]),
    ],
)
def test_a_name_puts_its_tracks_first(lake, text, first):
    assert sorted(ids(lake, text, k=len(first))) == first
    assert len(ids(lake, text, k=20)) == len(NAMES)  # what sounds right follows


def test_filters_apply_to_named_tracks_too(lake):
    assert ids(lake, "stevie wonder", "--where", "bpm > 125") == ["sunny"]
    assert "muller" not in ids(lake, "muller", "--where", "uri != '/m/muller.wav'", k=20)
    error = error_line("--lake", lake, "--encoder", "fake", "search", "muller", "--where", "nonsense =")
    assert "cannot search with --where" in error


def test_explain_says_what_found_a_hit(lake):
    hits = run_json(lake, "search", "muljord", "--explain", "-k", 2)
    assert hits[0]["found_by"][-1] == "name: artist 'Muldjord' matched 'muljord'"
    assert hits[1]["found_by"] == [f"sound: cosine {hits[1]['score']:.3f}"]
    assert run_json(lake, "search", "muljord", "-k", 1)[0]["found_by"] == []
    table = run_here("--lake", lake, "--encoder", "fake", "search", "muljord", "--explain", COLUMNS="250").stdout
    assert "found by" in table
    assert "artist 'Muldjord' matched 'muljord'" in table
    hits = run_json(lake, "search", "calm", "--explain", "--per-artist", 1, "-k", 8)
    assert [hit["found_by"] for hit in hits] == [[f"sound: cosine {hit['score']:.3f}"] for hit in hits]
    hits = run_json(lake, "search", "calm", "--like", "wonder:0.5", "--explain", "-k", 1)
    assert [line.split(" with ")[1] for line in hits[0]["found_by"]] == ["'calm'", "'wonder'"]


def test_like_a_track_finds_what_sounds_like_it(lake):
    text = "like Superstition by Stevie Wonder"
    assert ids(lake, text, k=20) == ids_like(lake, "wonder")
    assert understood(lake, text) == "understood: like Superstition by Stevie Wonder (track wonder)"
    assert understood(lake, "sounds like superstishon by steevie wonder") == understood(lake, text)


def ids_like(lake, track):
    return [hit["track_id"] for hit in run_json(lake, "search", "--like", track, "-k", 20)]


@pytest.mark.parametrize(
    ("wish", "expected", "line"),
    [
        ("slower", {"muller", "chaos", "piano", "rain-too", "cover", "nameless"}, "slower than 100 bpm"),
        ("a bit faster", {"sunny"}, "faster than 100 bpm"),
        ("louder", {"sunny", "chaos"}, "louder than -10 LUFS"),
        ("much quieter and faster", set(), "quieter than -10 LUFS, faster than 100 bpm"),
    ],
)
def test_wishes_compare_with_the_named_track(lake, wish, expected, line):
    text = f"like Superstition by Stevie Wonder, but {wish}"
    assert set(ids(lake, text, k=20)) == expected
    assert understood(lake, text).endswith(line)


def test_what_is_not_described_is_taken_as_words(lake):
    line = understood(lake, "like Rain by Air, but slower")
    assert line == "understood: like Rain by Air (track rain), 'slower'"
    assert understood(lake, "like Rain by Air, but darker and without drums").endswith("'darker', not 'drums'")


def test_like_an_artist_leaves_its_own_tracks_out(lake):
    line = understood(lake, "like Stevie Wonder, but slower")
    assert line == "understood: like the artist Stevie Wonder, whose own tracks are left out, slower than 115 bpm"
    similar = ids(lake, "something like stevie wonder", k=20)
    assert {*NAMES} - {*similar} == {"wonder", "sunny"}


def test_music_by_an_artist_comes_first(lake):
    hits = run_json(lake, "search", "calm music by Stevie Wonder", "-k", 3)
    assert {hit["track_id"] for hit in hits[:2]} == {"wonder", "sunny"}
    line = understood(lake, "calm music by Stevie Wonder")
    assert line == "understood: 'calm' by the artist Stevie Wonder: 2 tracks that come first"


@pytest.mark.parametrize("text", ["like Rain, but slower", "like 'rain'", "like Superstition"])
def test_a_name_with_two_readings_is_refused(lake, text):
    line = error_line("--lake", lake, "--encoder", "fake", "search", text)
    assert "means 2 things here: " in line
    assert "name the artist too" in line


@pytest.mark.parametrize("text", ["sounds like rain", "like piano", "a song by air"])
def test_words_in_small_letters_stay_an_ordinary_question(lake, text):
    line = understood(lake, text)
    assert "also names" in line
    assert "put it in quotes" in line


@pytest.mark.parametrize(
    "text", ["slow jazz with a muted trumpet", "sounds like waves on a shore", "piano accompanied by strings"]
)
def test_a_sentence_that_names_nothing_is_not_remarked_on(lake, text):
    assert understood(lake, text) == ""


def test_a_marked_name_that_the_lake_lacks_is_remarked_on(lake):
    line = understood(lake, "like Clair de Lune by Debussy, but darker")
    assert line == "nothing here is named 'Clair de Lune by Debussy': the sentence is searched as words"


def test_a_release_without_the_indexes_is_read_in_full_and_says_so(lake, monkeypatch):
    monkeypatch.setattr("lake.embeddings.names.NAME_INDEX_ROWS", 5)
    monkeypatch.setattr("lake.embeddings.names.has_name_indexes", lambda _: False)
    assert ids(lake, "muljord", k=1) == ["chaos"]
    assert understood(lake, "muljord") == "this snapshot has no index of names: those of 9 tracks were read"


def test_a_large_release_without_the_indexes_is_not_read(lake, monkeypatch):
    monkeypatch.setattr("lake.embeddings.names.has_name_indexes", lambda _: False)
    for module in ("lake.embeddings.names", "flows.search.understand"):
        monkeypatch.setattr(f"{module}.MAX_READ_ROWS", 5)
    line = "names are not searched: 9 tracks of this snapshot have no index of them; `tonelake maintain` builds it"
    assert understood(lake, "muljord").startswith(line)
