"""Listings of sources: no track is dropped, and a track keeps its identity."""

import json
import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import s3fs

from lake.sources.listing import list_sources
from schemas.errors import UserError
from schemas.settings import S3Settings
from schemas.tracks import track_id


def list_paths(*sources, allowed=()):
    return list_sources([str(source) for source in sources], S3Settings(), allowed)


@pytest.fixture
def music(tmp_path):
    root = tmp_path / "music"
    (root / "jazz").mkdir(parents=True)
    for name in ("a.mp3", "jazz/b.FLAC", "jazz/Été.ogg", "cover.jpg", "._a.mp3"):
        (root / name).write_bytes(b"x" * 10)
    return root


def test_a_folder_lists_audio_and_counts_the_rest(music):
    listing = list_paths(music)
    assert sorted(os.path.basename(uri) for uri in listing.tracks["uri"].to_pylist()) == ["a.mp3", "b.FLAC", "Été.ogg"]
    assert listing.skipped == 2
    assert listing.tracks["track_id"].to_pylist() == sorted(listing.tracks["track_id"].to_pylist())


def test_identity_does_not_depend_on_the_folder_given(music):
    whole = set(list_paths(music).tracks["track_id"].to_pylist())
    part = list_paths(music / "jazz", music / "jazz" / "b.FLAC", music / "a.mp3")
    assert set(part.tracks["track_id"].to_pylist()) == whole


def test_identity_does_not_depend_on_the_unicode_form():
    assert track_id("/m", "Ete\u0301.ogg") == track_id("/m", "Et\u00e9.ogg")


def test_names_that_are_not_utf8_are_kept(tmp_path):
    odd = os.fsencode(tmp_path) + b"/\xff.wav"
    with open(odd, "wb") as file:
        file.write(b"x")
    listing = list_paths(tmp_path)
    assert listing.tracks["uri"].to_pylist()[0].endswith("/%FF.wav")


def test_a_missing_source_is_an_error(tmp_path):
    with pytest.raises(UserError, match="no such source"):
        list_paths(tmp_path / "nowhere")
    with pytest.raises(UserError, match="a source is a folder"):
        list_paths("ftp://host/music")


def test_s3_prefix(s3_bucket):
    files = s3fs.S3FileSystem(**S3Settings().fsspec_options())
    files.pipe({f"{s3_bucket}/m/a.mp3": b"x", f"{s3_bucket}/m/b.txt": b""})
    listing = list_paths(f"{s3_bucket}/m")
    assert listing.tracks["uri"].to_pylist() == [f"{s3_bucket}/m/a.mp3"]
    assert listing.skipped == 1
    with pytest.raises(UserError, match="nothing to index in s3://"):
        list_paths(f"{s3_bucket}/nowhere")


ROWS = [
    {"uri": "a.mp3", "title": "Ah", "genres": "Jazz; Blues", "year": "1959-08-17", "mood": "blue", "track_id": "007"},
    {"uri": "gone.mp3", "title": "", "genres": "", "year": "", "mood": "", "track_id": ""},
]


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_manifests_are_equal_in_every_format(music, suffix):
    path = music / f"manifest.{suffix}"
    if suffix == "csv":
        lines = [",".join(ROWS[0]), *(",".join(f'"{value}"' for value in row.values()) for row in ROWS)]
        path.write_text("\ufeff" + "\r\n".join(lines) + "\r\n\r\n")
    elif suffix == "jsonl":
        path.write_text("\n".join(json.dumps(row) for row in ROWS))
    else:
        pq.write_table(pa.Table.from_pylist(ROWS), path)
    rows = {row["track_id"]: row for row in list_paths(path).tracks.to_pylist()}
    first = rows["007"]
    assert (first["title"], first["genres"], first["year"]) == ("Ah", ["Jazz", "Blues"], 1959)
    assert json.loads(first["extra"]) == {"mood": "blue", "year": "1959-08-17"}
    assert (first["uri"], first["size"]) == (str(music / "a.mp3"), 10)
    gone = rows[track_id(str(music), "gone.mp3")]
    assert (gone["source_version"], gone["size"], gone["title"]) == ("missing", None, None)


def test_a_manifest_names_a_track_once(music):
    path = music / "m.csv"
    path.write_text("uri,track_id\na.mp3,1\njazz/b.FLAC,1\n")
    with pytest.raises(UserError, match="line 3, track_id '1': line 2 has it too: make ids unique"):
        list_paths(path)
    path.write_text("file\na.mp3\n")
    with pytest.raises(UserError, match="line 1, 'file': no column is called uri"):
        list_paths(path)
    (music / "m.jsonl").write_text("{broken")
    with pytest.raises(UserError, match=r"m\.jsonl: line 1: cannot be read"):
        list_paths(music / "m.jsonl")


def test_manifest_on_s3_names_files_beside_it(s3_bucket):
    files = s3fs.S3FileSystem(**S3Settings().fsspec_options())
    files.pipe({f"{s3_bucket}/m.csv": b"uri,title\nx/a.mp3,Ah\n", f"{s3_bucket}/x/a.mp3": b"abc"})
    row = list_paths(f"{s3_bucket}/m.csv").tracks.to_pylist()[0]
    assert (row["uri"], row["size"], row["title"]) == (f"{s3_bucket}/x/a.mp3", 3, "Ah")


def test_links_are_followed_once(music, tmp_path):
    (music / "round").symlink_to(music)
    (music / "self.mp3").symlink_to(music / "self.mp3")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "c.wav").write_bytes(b"x")
    (music / "linked").symlink_to(elsewhere)
    listing = list_paths(music)
    names = sorted(os.path.basename(uri) for uri in listing.tracks["uri"].to_pylist())
    assert names == ["a.mp3", "b.FLAC", "c.wav", "Été.ogg"]
    assert listing.skipped == 3


def test_a_manifests_links_and_file_uris_are_the_files_themselves(music):
    (music / "link.mp3").symlink_to(music / "a.mp3")
    (music / "with blank.mp3").write_bytes(b"abc")
    uri = (music / "with blank.mp3").as_uri()
    (music / "m.csv").write_text(f"uri,track_id\nlink.mp3,0\n{uri},1\n{uri},\n")
    rows = {row["track_id"]: row for row in list_paths(music / "m.csv", allowed=("file://",)).tracks.to_pylist()}
    plain = {row["track_id"]: row for row in list_paths(music).tracks.to_pylist()}
    assert rows["0"]["source_version"] == plain[track_id(str(music), "a.mp3")]["source_version"]
    blank = plain[track_id(str(music), "with blank.mp3")]
    assert rows["1"]["uri"] == blank["uri"] == str(music / "with blank.mp3")
    assert rows["1"]["source_version"] == blank["source_version"]
    assert blank["track_id"] in rows
    assert len(list_paths(music.as_uri(), allowed=(music.as_uri(),)).tracks) == len(plain)


def test_two_files_of_one_id_are_an_error(music):
    for number, name in enumerate(("a.mp3", "jazz/b.FLAC")):
        (music / f"m{number}.csv").write_text(f"uri,track_id\n{name},1\n")
    with pytest.raises(UserError, match="have one track_id"):
        list_paths(music / "m0.csv", music / "m1.csv")


def test_metadata_of_a_manifest_survives_a_listing_of_the_folder(music):
    (music / "m.csv").write_text("uri,title\na.mp3,Ah\n")
    for sources in ((music, music / "m.csv"), (music / "m.csv", music)):
        rows = {row["track_id"]: row for row in list_paths(*sources).tracks.to_pylist()}
        assert rows[track_id(str(music), "a.mp3")]["title"] == "Ah"


def test_values_of_the_wrong_kind_name_their_line(music):
    (music / "m.jsonl").write_text('{"uri": "a.mp3"}\n{"uri": "a.mp3", "genres": 5}')
    with pytest.raises(UserError, match="line 2, genres '5': a text or a list of texts is needed"):
        list_paths(music / "m.jsonl")
