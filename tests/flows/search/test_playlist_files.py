"""Files of playlists: read by another reader, with names that would break a format."""

import csv
import json
from urllib.parse import unquote, urlsplit

import pytest

from flows.search.playlist_files import read_list, write_playlist
from schemas.playlists import Playlist, PlaylistTrack
from schemas.search import SearchHit

HITS = [
    ("/m/a.wav", 'Song, with "comma"', "Ann - Bob"),
    ("/m/two\nlines.wav", "Two\r\nlines\u2028\x1b[2J\n#EXTINF:1,forged\n/etc/passwd", "C\nD"),
    ("/m/ends in a space ", "=SUM(1)", None),
    ("/m/é 100%.wav", None, None),
    ("file:///m/%FF.wav", None, "X"),
    ("s3://bucket/a b/ü#1.wav", "S3", "Y"),
]


def make_playlist():
    hits = [
        SearchHit(rank, f"id {rank}", uri, title, artist, None, None, (), 0.5, (), duration_s=seconds)
        for rank, ((uri, title, artist), seconds) in enumerate(zip(HITS, [61.4, 60, None, 2, 3, 4], strict=True), 1)
    ]
    return Playlist("An\nevening", tuple(PlaylistTrack(hit, None) for hit in hits))


def test_m3u8_has_two_lines_a_track_whatever_its_name(tmp_path):
    out = tmp_path / "sub" / "evening.M3U8"
    write_playlist(make_playlist(), out)
    header, title, *lines = out.read_bytes().decode("utf-8").split("\n")
    assert (header, title, lines.pop()) == ("#EXTM3U", "#PLAYLIST:An evening", "")
    assert len(lines) == 2 * len(HITS)
    assert all(line.isprintable() for line in lines)
    assert lines[:2] == ['#EXTINF:61,Ann - Bob - Song, with "comma"', "/m/a.wav"]
    assert lines[2].startswith("#EXTINF:60,C D - Two lines")
    assert lines[3] == "file:///m/two%0Alines.wav"
    assert lines[4:6] == ["#EXTINF:-1,=SUM(1)", "file:///m/ends%20in%20a%20space%20"]
    assert lines[6:8] == ["#EXTINF:2,é 100%.wav", "/m/é 100%.wav"]
    assert lines[9:] == ["file:///m/%FF.wav", "#EXTINF:4,Y - S3", "s3://bucket/a b/ü#1.wav"]


@pytest.mark.parametrize("suffix", [".m3u8", ".csv"])
def test_a_written_list_can_be_read_again(tmp_path, suffix):
    out = tmp_path / f"evening{suffix}"
    write_playlist(make_playlist(), out)
    expected = [hit.hit.track_id for hit in make_playlist().tracks] if suffix == ".csv" else [uri for uri, *_ in HITS]
    assert list(read_list(out)) == expected


def test_jspf_is_json_with_uris(tmp_path):
    out = tmp_path / "evening.jspf"
    write_playlist(make_playlist(), out)
    playlist = json.loads(out.read_text(encoding="utf-8"))["playlist"]
    assert playlist["title"] == "An\nevening"
    for (uri, title, artist), track in zip(HITS, playlist["track"], strict=True):
        (location,) = track["location"]
        assert location.isascii()
        assert location.startswith(("file:///", "s3://"))
        if not uri.startswith("file:"):
            assert unquote(location.removeprefix("file://")) == uri
        assert (track.get("title"), track.get("creator")) == (title, artist)
        assert urlsplit(track["identifier"][0]).scheme == "tonelake"
    assert [track.get("duration") for track in playlist["track"]] == [61400, 60000, None, 2000, 3000, 4000]


def test_csv_keeps_every_name_as_it_is(tmp_path):
    out = tmp_path / "evening.csv"
    write_playlist(make_playlist(), out)
    with out.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["uri"], row["title"] or None, row["artist"] or None) for row in rows] == HITS
    assert [row["position"] for row in rows] == list("123456")


def test_an_old_m3u_may_be_latin(tmp_path):
    file = tmp_path / "old.m3u"
    file.write_bytes("music/é.wav\r\n".encode("latin-1"))
    assert read_list(file) == (str(tmp_path / "music" / "é.wav"),)
