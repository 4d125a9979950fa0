"""Hits that differ: few of an artist, a recording once, diversity; from a lake of made-up vectors."""

import json

import numpy as np
import pyarrow as pa
import pytest

from flows.search.copies import COSINE, find_originals, first_equals
from lake.catalogue.audio_facts import write_fingerprints
from lake.storage.lease import Lease, LeaseName
from tests.cli import error_line, run_here, run_json
from tests.flows.plays import EACH, IDS, KIND, VECTORS, of_kind, write
from workers.metrics.neighbours import unit_rows

ARTISTS = [f"Artist {kind}" for kind in KIND]
ARTISTS[1:4] = ["ARTIST 0", "artist 0 ", None]  # one name, however it is written; and nobody
UNKNOWN = of_kind(1, EACH)
ARTISTS[EACH : 2 * EACH] = [None, ""] * 12 + [None]
CONTENTS = [f"sha-{name}" for name in IDS]
SOUNDS = VECTORS.copy()
# t052 has the bytes of t050. t053 is as near as another encode, t054 too, but of another length; t055 is less near.
CONTENTS[52] = CONTENTS[50]
LENGTHS = [10.0 + index for index in range(len(IDS))]
LENGTHS[50], LENGTHS[53], LENGTHS[54], LENGTHS[55] = 100.0, 100.5, 103.0, 100.5
AWAY = np.linalg.qr(np.stack([SOUNDS[50], *np.random.default_rng(3).standard_normal((3, 32))]).T)[0].T[1:]


def near(cosine, direction):
    """Return a vector at that cosine to that of t050."""
    return cosine * SOUNDS[50] + np.sqrt(1 - cosine**2) * AWAY[direction]


SOUNDS[52] = SOUNDS[50]
SOUNDS[53], SOUNDS[54], SOUNDS[55] = near(0.998, 0), near(0.998, 1), near(0.95, 2)


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    home = tmp_path_factory.mktemp("diversity") / "lake"
    columns = {"artist": ARTISTS, "content_sha256": CONTENTS, "duration_s": LENGTHS, "codec": ["flac"] * len(IDS)}
    return write(home, vectors=SOUNDS, **columns)


def search_ids(lake, *arguments):
    return [hit["track_id"] for hit in run_json(lake.uri, "search", *arguments)]


def test_few_hits_are_of_an_artist_and_they_are_its_best(lake):
    plain = search_ids(lake, "--like", "t000", "-k", 299)
    limited = search_ids(lake, "--like", "t000", "-k", 10, "--per-artist", 2)
    artist = dict(zip(IDS, [(name or "").strip().casefold() for name in ARTISTS], strict=True))
    left, expected = dict.fromkeys(artist.values(), 2), []
    for name in plain:
        if not artist[name] or left[artist[name]]:
            left[artist[name]] -= 1
            expected.append(name)
    assert limited == expected[:10]
    assert [artist[name] for name in limited].count("artist 0") == 2
    assert limited != plain[:10]


def test_unknown_artists_are_not_one_artist(lake):
    assert set(search_ids(lake, "--like", UNKNOWN[0], "-k", 20, "--per-artist", 1)) >= set(
        search_ids(lake, "--like", UNKNOWN[0], "-k", 10)
    )


def test_more_candidates_are_asked_for_once_if_the_first_do_not_suffice(lake):
    near_ids = search_ids(lake, "--like", "t000", "-k", 54)
    wanted = len({ARTISTS[IDS.index(name)] for name in near_ids} - {None, ""})
    assert wanted < 11, "the first candidates are of fewer artists than hits are asked for"
    filters = ("--where", "artist != '' AND artist != 'ARTIST 0'")
    limited = search_ids(lake, "--like", "t000", "-k", 11, "--per-artist", 1, *filters)
    artists = [ARTISTS[IDS.index(name)].strip().casefold() for name in limited]
    assert len(artists) == len(set(artists)) == 11


def test_a_recording_counts_once_and_its_copies_are_named(lake):
    hits = run_json(lake.uri, "search", "--where", "track_id >= 't050' AND track_id < 't075'", "-k", 30, "--distinct")
    copies = {hit["track_id"]: hit["copies"] for hit in hits}
    assert copies["t050"] == ["t052", "t053"]
    assert len(hits) == EACH - 2
    assert {"t054", "t055"} <= copies.keys(), "of another length; less near"
    assert sum(map(len, copies.values())) == 2
    plain = run_json(lake.uri, "search", "--where", "track_id >= 't050' AND track_id < 't075'", "-k", 30)
    assert len(plain) == EACH
    assert {tuple(hit["copies"]) for hit in plain} == {()}


def test_copies_of_the_tracks_of_a_query_are_left_out(lake):
    plain = search_ids(lake, "--like", "t052", "-k", 2)
    assert {*plain} == {"t050", "t053"}
    assert {"t050", "t053"}.isdisjoint(
        search_ids(lake, "--like", "t050:0.01", "--like", "t052", "--distinct", "-k", 60)
    )
    assert "t050" not in search_ids(lake, "--like", "t052", "--distinct", "-k", 60)


def test_a_table_counts_copies_only_if_there_are_some(lake):
    typed = ("--lake", lake.uri, "--encoder", "fake", "search", "--distinct", "--where")
    assert "copies" in run_here(*typed, "track_id >= 't050' AND track_id < 't056'").stdout
    assert "copies" not in run_here(*typed, "track_id < 't005'").stdout


def test_fingerprints_decide_where_both_are_known(lake):
    rows = lake.table("embeddings__fake__" + run_json(lake.uri, "status")["encoders"][0]["embedding_version"])
    table = rows.to_table(columns=["track_id", "content_sha256", "duration_s", "vector"]).sort_by("track_id")
    table = table.slice(50, 6)
    assert find_originals(lake, table).tolist() == [0, 1, 0, 0, 4, 5]
    sound, other = (
        b"HK1\0" + np.random.default_rng(seed).integers(1, 1 << 32, 400, np.uint32).tobytes() for seed in (0, 1)
    )
    with Lease(lake, LeaseName.FINGERPRINTS, "run", print) as lease:
        write_fingerprints(lake, lease, {"sha-t050": sound, "sha-t053": other, "sha-t055": sound})
    assert find_originals(lake, table).tolist() == [0, 1, 0, 3, 4, 0]


def test_pairs_of_copies_are_found_across_blocks(lake, monkeypatch):
    monkeypatch.setattr("flows.search.copies._BLOCK_ROWS", 3)
    vectors = unit_rows(np.random.default_rng(2).standard_normal((10, 8)))
    vectors[[4, 9]] = vectors[0]
    rows = pa.table(
        {
            "content_sha256": [f"other-{row}" for row in range(10)],
            "duration_s": [60.0] * 10,
            "vector": pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), 8),
        }
    )
    assert find_originals(lake, rows).tolist() == [0, 1, 2, 3, 0, 5, 6, 7, 8, 0]
    assert find_originals(lake, rows.slice(0, 0)).tolist() == []


def test_a_row_is_compared_with_originals_only():
    left, right = np.array([1, 0, 2]), np.array([2, 1, 3])
    assert first_equals(4, left, right).tolist() == [0, 0, 2, 2]
    assert 0.9 < COSINE < 1


def test_diversity_spreads_the_hits_over_kinds(lake):
    kinds = [
        len({KIND[IDS.index(name)] for name in search_ids(lake, "--like", "t000", "-k", 12, "--diversity", diversity)})
        for diversity in (0, 0.4, 0.9)
    ]
    assert kinds[0] == 1
    assert kinds[0] <= kinds[1] < kinds[2]


def test_diversity_and_caps_hold_without_a_query_too(lake):
    typed = ("search", "--tag", "loud", "-k", 12, "--per-artist", 1, "--where", "artist != ''", "--json")
    result = run_here("--lake", lake.uri, "--encoder", "fake", *typed)
    artists = [hit["artist"].strip().casefold() for hit in json.loads(result.stdout)]
    candidates = [artist.strip().casefold() for artist in ARTISTS if artist][: 4 * (4 * 12 + 10)]
    assert artists == list(dict.fromkeys(candidates)), "all scores are equal: in the order of ids"
    assert result.stderr == f"{len(artists)} tracks, not 12: the 232 best hold no more that differ as asked for\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--diversity", "1.1"), "invalid value for '--diversity': Input should be less than or equal to 1"),
        (("--per-artist", "0"), "invalid value for '--per-artist': Input should be greater than or equal to 1"),
        (("-k", "5000", "--distinct"), "5,000 tracks are too many to compare with each other"),
    ],
)
def test_a_number_out_of_range_is_one_line(lake, arguments, message):
    assert message in error_line("--lake", lake.uri, "--encoder", "fake", "search", "--like", "t000", *arguments)
