"""Playlists as a user types them, on a lake of made-up vectors."""

import json
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest

from flows.search.playlist import fill
from schemas.search import SearchHit
from schemas.tracks import TRACKS
from tests.cli import error_line, run_here, run_json
from tests.flows.plays import IDS, KIND, VECTORS, of_kind, write

ARTISTS = [f"Artist {index % 60}" for index in range(len(IDS))]
LENGTHS = [60.0 + 7 * (index % 30) for index in range(len(IDS))]
CONTENTS = [f"sha-{name}" for name in IDS]
CONTENTS[1] = CONTENTS[0]  # t001 has the bytes of t000
CONTENTS[260] = CONTENTS[259]


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    home = tmp_path_factory.mktemp("playlist") / "lake"
    lake = write(home, artist=ARTISTS, duration_s=LENGTHS, content_sha256=CONTENTS)
    rows = lake.table("tracks").to_table(filter="track_id = 't299'").to_pylist()
    ended = [row | {"available_to": "2020-12-31"} for row in rows]
    lake.upsert("tracks", TRACKS, pa.Table.from_pylist(ended, schema=TRACKS))
    return lake


def make(lake, *arguments):
    return run_json(lake.uri, "playlist", *arguments)


def ids(playlist):
    return [track["track_id"] for track in playlist["tracks"]]


def refused(lake, *arguments):
    return error_line("--lake", lake.uri, "--encoder", "fake", "playlist", *arguments)


def cosine(first, second):
    return float(VECTORS[IDS.index(first)] @ VECTORS[IDS.index(second)])


def test_a_playlist_of_words_has_so_many_tracks_and_few_of_an_artist(lake):
    playlist = make(lake, "rainy evening jazz", "-n", 30)
    artists = [track["artist"] for track in playlist["tracks"]]
    assert len(artists) == 30
    assert max(map(artists.count, artists)) == 2
    assert not [pair for pair in pairwise(artists) if pair[0] == pair[1]]
    assert playlist["title"] == "rainy evening jazz"
    assert [track["rank"] for track in playlist["tracks"]] == list(range(1, 31))
    assert playlist == make(lake, "rainy evening jazz", "-n", 30), "nothing is random"


def test_a_playlist_begins_with_the_best_hit_and_its_steps_are_cosines(lake):
    playlist = make(lake, "rain", "-n", 8)
    by_rank = make(lake, "rain", "-n", 8, "--order", "rank")
    assert sorted(ids(playlist)) == sorted(ids(by_rank))
    assert ids(playlist)[0] == ids(by_rank)[0] == run_json(lake.uri, "search", "rain", "-k", 1)[0]["track_id"]
    assert playlist["tracks"][0]["step"] is None
    for first, second in pairwise(playlist["tracks"]):
        assert second["step"] == pytest.approx(cosine(first["track_id"], second["track_id"]), abs=1e-5)
    assert sum(t["step"] or 0 for t in playlist["tracks"]) > sum(t["step"] or 0 for t in by_rank["tracks"])


def test_minutes_are_filled_and_not_exceeded(lake):
    playlist = make(lake, "rain", "--minutes", 60)
    assert playlist["seconds"] == pytest.approx(sum(track["duration_s"] for track in playlist["tracks"]))
    assert 60 * 60 - min(LENGTHS) < playlist["seconds"] <= 60 * 60


def test_a_length_that_the_lake_cannot_fill_takes_all_and_says_so(lake):
    typed = ("playlist", "rain", "--minutes", 9000, "--per-artist", 300, "--diversity", 0, "--json")
    result = run_here("--lake", lake.uri, "--encoder", "fake", *typed)
    assert len(json.loads(result.stdout)["tracks"]) == len(IDS) - 3, "but for two copies and one without rights"
    assert "fewer than 9000 minutes pass" in result.stderr


def test_what_still_fits_is_taken_the_best_first():
    def hit(name, seconds):
        return SearchHit(1, name, None, None, None, None, None, (), None, (), duration_s=seconds)

    hits = [hit("a", 50.0), hit("b", 60.0), hit("unknown", None), hit("c", 30.0), hit("d", 20.0)]
    assert [chosen.track_id for chosen in fill(hits, 100)] == ["a", "c", "d"]
    assert fill(hits, 10) == []


def test_seeds_and_their_copies_are_left_out(lake):
    playlist = make(lake, "--like", "t000", "--like", "t002", "-n", 20, "--per-artist", 30, "--diversity", 0)
    assert not {"t000", "t001", "t002"} & set(ids(playlist))
    assert {KIND[IDS.index(name)] for name in ids(playlist)} == {0}
    assert "t001" in [hit["track_id"] for hit in run_json(lake.uri, "search", "--like", "t000")], "it is there"


def test_a_path_leads_from_track_to_track_in_even_steps(lake):
    playlist = make(lake, "--from", "t030", "--to", "T100", "-n", 12)
    assert len(set(ids(playlist))) == 12
    assert (ids(playlist)[0], ids(playlist)[-1]) == ("t030", "t100")
    start, end = (VECTORS[IDS.index(name)] for name in ("t030", "t100"))
    away = end - (end @ start) * start
    vectors = np.stack([VECTORS[IDS.index(name)] for name in ids(playlist)])
    angles = np.arctan2(vectors @ away / np.linalg.norm(away), vectors @ start) / np.arccos(start @ end)
    assert np.abs(angles - np.linspace(0, 1, 12)).mean() < 0.2
    assert playlist["title"] == "Artist 30 - T030 to Artist 40 - T100"
    steps = [track["step"] for track in playlist["tracks"][1:]]
    assert np.mean(steps) > 0.3
    assert min(steps) > cosine("t030", "t100")


def test_a_path_keeps_the_filters_and_the_cap(lake):
    arguments = ("--from", "t030", "--to", "t100", "-n", 10, "--per-artist", 1)
    playlist = make(lake, *arguments, "--where", "duration_s > 100")
    inner = playlist["tracks"][1:-1]
    assert len({track["artist"] for track in inner}) == len(inner) == 8
    assert all(track["duration_s"] > 100 for track in inner)


def test_a_path_through_too_few_tracks_is_shorter_and_says_so(lake):
    typed = ("playlist", "--from", "t030", "--to", "t100", "--where", "track_id IN ('t031', 't032')", "--json")
    result = run_here("--lake", lake.uri, "--encoder", "fake", *typed)
    assert sorted(ids(json.loads(result.stdout))) == ["t030", "t031", "t032", "t100"]
    assert "fewer than 20 tracks pass" in result.stderr


def test_a_path_of_two_is_its_ends(lake):
    assert ids(make(lake, "--from", "t030", "--to", "t100", "-n", 2)) == ["t030", "t100"]


def test_a_list_flows_and_keeps_its_first_track(lake, tmp_path):
    names = [name for kind in (0, 5, 9) for name in of_kind(kind, 4, first=2)]
    shuffled = np.random.default_rng(0).permutation(names).tolist()
    file = tmp_path / "mine.txt"
    file.write_text("\n".join([*shuffled, shuffled[2]]))
    playlist = make(lake, "--order", "flow", file)
    assert sorted(ids(playlist)) == sorted(names)
    assert ids(playlist)[0] == shuffled[0]
    kinds = [KIND[IDS.index(name)] for name in ids(playlist)]
    assert sum(first != second for first, second in pairwise(kinds)) == 2, "each kind stays together"
    assert ids(make(lake, file, "--order", "rank")) == shuffled
    assert playlist["title"] == "mine"


def test_a_list_names_tracks_by_id_path_and_title(lake, tmp_path):
    folder = tmp_path / "lists"
    folder.mkdir()
    m3u, table = folder / "list.M3U8", folder / "list.csv"
    m3u.write_text("\ufeff#EXTM3U\r\n#EXTINF:1,x\r\n/m/t004.wav\r\n\r\nfile:///m/t005.wav\r\n../../m/nobody.wav\r\n")
    table.write_text('uri,note\n/m/t004.wav,"a\nb"\nT006,x\n,\n')
    assert sorted(ids(make(lake, m3u))) == ["t004", "t005"]
    assert sorted(ids(make(lake, table))) == ["t004", "t006"]


def test_what_may_not_be_played_is_in_no_playlist(lake, tmp_path):
    file = tmp_path / "list.txt"
    file.write_text("t298\nt299\n")
    assert ids(make(lake, file)) == ["t298"]
    assert ids(make(lake, file, "--any-date")) == ["t298", "t299"]
    near = ("--like", "t298", "-n", 24, "--diversity", 0, "--per-artist", 30)
    assert "t299" not in ids(make(lake, *near))
    assert "t299" in ids(make(lake, *near, "--on", "2020-06-01"))
    assert "t299 may not be played then" in refused(lake, "--from", "t298", "--to", "t299")
    assert ids(make(lake, "--from", "t298", "--to", "t299", "-n", 2, "--any-date")) == ["t298", "t299"]


def test_what_a_list_loses_is_said(lake, tmp_path):
    file = tmp_path / "list.txt"
    file.write_text("t000\nt001\nnobody\nt010\nt020\n")
    typed = ("playlist", file, "--where", "track_id != 't020'", "--order", "rank", "--json")
    result = run_here("--lake", lake.uri, "--encoder", "fake", *typed)
    assert ids(json.loads(result.stdout)) == ["t000", "t010"]
    assert result.stderr.splitlines() == [
        "1 of 5 tracks are not in the lake: nobody",
        "1 of 5 tracks are left out by a filter, or may not be played today (--any-date): t020",
        "1 of 5 tracks are left out: they are other encodes of a track of the list: t001",
    ]


def test_a_table_and_its_length(lake):
    output = run_here("--lake", lake.uri, "--encoder", "fake", "playlist", "rain", "-n", 5).stdout
    assert "step" in output
    assert "bpm" not in output, "no track has a tempo"
    assert output.splitlines()[-1].startswith("5 tracks, ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "a playlist of what? Give TEXT, --like TRACK, --from TRACK --to TRACK, or a LIST"),
        (("--from", "t000"), "a path has two ends"),
        (("--to", "t000"), "a path has two ends"),
        (("--from", "t000", "--to", "T000"), "a path leads from one track to another: 't000' and 'T000' are the same"),
        (("--from", "t000", "--to", "nobody"), "no track is named 'nobody'"),
        (("--from", "t000", "--to", "t001", "-n", "1"), "-n 1 is too short for a path"),
        (("--from", "t000", "--to", "t001", "--minutes", "5"), "give -n in the place of --minutes"),
        (("rain", "--from", "t000", "--to", "t001"), "a query, a path (--from, --to) and a LIST exclude each other"),
        (("rain", "-n", "5", "--minutes", "5"), "-n and --minutes both say how long"),
        (("rain", "--minutes", "-5"), "--minutes -5 is no length"),
        (("rain", "--minutes", "nan"), "--minutes nan is no length"),
        (("rain", "--minutes", "0.01"), "no track passes"),
        (("rain", "-n", "3000"), "a playlist has at most 2,000 tracks"),
        (("rain", "--order", "flaw"), "--order 'flaw' is none; did you mean flow?"),
        (("rain", "--year", "soon"), "--year 'soon' is no year"),
        (("rain", "--out", "evening.m3u"), "cannot write evening.m3u: did you mean .m3u8?"),
        (("rain", "--out", "evening.xspf"), "did you mean .jspf?"),
        (("rain", "--out", "evening"), "a playlist ends in .m3u8, .jspf, .csv"),
        (("nothing-there.m3u8",), "cannot read the list nothing-there.m3u8: No such file or directory"),
    ],
)
def test_a_wrong_wish_is_one_line(lake, arguments, message):
    assert message in refused(lake, *arguments)


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("empty.txt", b"\n \n", "names no track; give one a line"),
        ("latin.m3u8", "/m/é.wav".encode("latin-1"), "it is not UTF-8"),
        ("other.csv", b"name\nt000\n", "has no column track_id and no uri"),
        ("unknown.txt", b"nobody\nnowhere\n", "none of the 2 tracks of the list is in the lake, such as nobody"),
        ("long.txt", b"t000\n" * 2001, "a playlist has at most 2,000 tracks"),
    ],
)
def test_a_list_that_cannot_be_used_is_one_line(lake, tmp_path, name, data, message):
    file = tmp_path / name
    file.write_bytes(data)
    assert message in refused(lake, file)
