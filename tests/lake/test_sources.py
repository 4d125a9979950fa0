"""Sources: nothing that was asked for is dropped, and a track keeps its identity."""

import json
import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import s3fs

from lake.sources import list_sources
from schemas.errors import UserError
from schemas.settings import S3Settings
from schemas.tracks import track_id


def listed(*sources):
    return list_sources([str(source) for source in sources], S3Settings())


@pytest.fixture
def music(tmp_path):
    root = tmp_path / "music"
    (root / "jazz").mkdir(parents=True)
    for name in ("a.mp3", "jazz/b.FLAC", "jazz/Été.ogg", "cover.jpg", "._a.mp3"):
        (root / name).write_bytes(b"x" * 10)
    return root


def test_a_folder_lists_audio_and_counts_the_rest(music):
    found = listed(music)
    assert sorted(os.path.basename(uri) for uri in found.tracks["uri"].to_pylist()) == ["a.mp3", "b.FLAC", "Été.ogg"]
    assert found.skipped == 2
    assert found.tracks["track_id"].to_pylist() == sorted(found.tracks["track_id"].to_pylist())


def test_identity_does_not_depend_on_the_folder_given(music):
    whole = set(listed(music).tracks["track_id"].to_pylist())
    part = listed(music / "jazz", music / "jazz" / "b.FLAC", music / "a.mp3")
    assert set(part.tracks["track_id"].to_pylist()) == whole


def test_identity_is_of_the_name_not_its_unicode_form():
    assert track_id("/m", "Ete\u0301.ogg") == track_id("/m", "Et\u00e9.ogg")


def test_names_that_are_not_utf8_are_kept(tmp_path):
    odd = os.fsencode(tmp_path) + b"/\xff.wav"
    with open(odd, "wb") as file:
        file.write(b"x")
    found = listed(tmp_path)
    assert found.tracks["uri"].to_pylist()[0].endswith("/%FF.wav")


def test_missing_source_says_so(tmp_path):
    with pytest.raises(UserError, match="no such source"):
        listed(tmp_path / "nowhere")
    with pytest.raises(UserError, match="a source is a folder"):
        listed("ftp://host/music")


def test_s3_prefix(s3_bucket):
    files = s3fs.S3FileSystem(**S3Settings().fsspec_options())
    files.pipe({f"{s3_bucket}/m/a.mp3": b"x", f"{s3_bucket}/m/b.txt": b""})
    found = listed(f"{s3_bucket}/m")
    assert found.tracks["uri"].to_pylist() == [f"{s3_bucket}/m/a.mp3"]
    assert found.skipped == 1
    with pytest.raises(UserError, match="nothing to index in s3://"):
        listed(f"{s3_bucket}/nowhere")


ROWS = [
    {"uri": "a.mp3", "title": "Ah", "genres": "Jazz; Blues", "year": "1959-08-17", "mood": "blue", "track_id": "007"},
    {"uri": "gone.mp3", "title": "", "genres": "", "year": "", "mood": "", "track_id": ""},
]


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_manifests_say_the_same_in_every_format(music, suffix):
    path = music / f"manifest.{suffix}"
    if suffix == "csv":
        lines = [",".join(ROWS[0]), *(",".join(f'"{value}"' for value in row.values()) for row in ROWS)]
        path.write_text("\ufeff" + "\r\n".join(lines) + "\r\n\r\n")
    elif suffix == "jsonl":
        path.write_text("\n".join(json.dumps(row) for row in ROWS))
    else:
        pq.write_table(pa.Table.from_pylist(ROWS), path)
    rows = {row["track_id"]: row for row in listed(path).tracks.to_pylist()}
    first = rows["007"]
    assert (first["title"], first["genres"], first["year"]) == ("Ah", ["Jazz", "Blues"], 1959)
    assert json.loads(first["extra"]) == {"mood": "blue"}
    assert (first["uri"], first["size"]) == (str(music / "a.mp3"), 10)
    gone = rows[track_id(str(music), "gone.mp3")]
    assert (gone["source_version"], gone["size"], gone["title"]) == ("missing", None, None)


def test_a_manifest_names_a_track_once(music):
    path = music / "m.csv"
    path.write_text("uri,track_id\na.mp3,1\njazz/b.FLAC,1\n")
    with pytest.raises(UserError, match="line 2 names track_id 1 a second time"):
        listed(path)
    path.write_text("file\na.mp3\n")
    with pytest.raises(UserError, match="line 1 has no uri"):
        listed(path)
    (music / "m.jsonl").write_text("{broken")
    with pytest.raises(UserError, match="cannot read the manifest"):
        listed(music / "m.jsonl")


def test_manifest_on_s3_names_files_beside_it(s3_bucket):
    files = s3fs.S3FileSystem(**S3Settings().fsspec_options())
    files.pipe({f"{s3_bucket}/m.csv": b"uri,title\nx/a.mp3,Ah\n", f"{s3_bucket}/x/a.mp3": b"abc"})
    row = listed(f"{s3_bucket}/m.csv").tracks.to_pylist()[0]
    assert (row["uri"], row["size"], row["title"]) == (f"{s3_bucket}/x/a.mp3", 3, "Ah")
