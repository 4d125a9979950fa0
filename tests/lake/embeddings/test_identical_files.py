"""Tests of copies: only from an active track of equal ETag and size, embedded by the same version."""

from dataclasses import replace

import pyarrow as pa
import pytest

from lake.catalogue.tracks import register_tracks
from lake.embeddings.committer import Committer
from lake.embeddings.identical_files import from_identical_files, representatives, split_repeats
from lake.storage.arrow import with_column
from lake.storage.lake import Lake
from lake.storage.lease import Lease
from schemas.settings import S3Settings, Settings
from schemas.tables import embeddings_table, features_table, windows_table
from tests.lake.rows import SPEC, embedded_row, make_listing, outcome_batch, quarantined_row

ETAG, PARTS, OTHER = "0" * 32, "1" * 32 + "-12", "2" * 32


def write(home, spec, *rows):
    with Lease(home, embeddings_table(spec), "run", print) as lease:
        committer = Committer(home, spec, lease, "run", Settings())
        committer.add(outcome_batch(*rows))
        committer.flush()


@pytest.fixture
def home(tmp_path):
    """A lake of two embedded tracks: one uploaded whole, one in twelve parts."""
    home = Lake.at(str(tmp_path / "lake"), S3Settings())
    write(home, SPEC, embedded_row("whole", ETAG), embedded_row("parts", PARTS))
    register_tracks(
        home, pa.concat_tables([make_listing(["whole"], ETAG), make_listing(["parts"], PARTS)]).sort_by("track_id")
    )
    return home


def new(version, size=1000, **columns):
    rows = make_listing(["new"], version)
    columns["size"] = size
    for name, value in columns.items():
        rows = with_column(rows, name, pa.scalar(value, rows.schema.field(name).type))
    return rows


def copies(home, tracks, spec=SPEC):
    return [row for table in from_identical_files(home, spec, tracks) for row in table.to_pylist()]


@pytest.mark.parametrize(("version", "twin"), [(ETAG, "whole"), (PARTS, "parts")])
def test_a_copy_equals_its_twin_under_its_own_name(home, version, twin):
    register_tracks(home, tracks := new(version, title="Mine"))
    (copy,) = copies(home, tracks)
    assert (copy["track_id"], copy["title"], copy["codec"]) == ("new", "Mine", None)
    assert len(representatives(home, SPEC, tracks)) == 0
    write(home, SPEC, copy)
    for table in (embeddings_table(SPEC), windows_table(SPEC), features_table(SPEC)):
        rows = home.table(table).to_table(filter=f"track_id IN ('new', '{twin}')").sort_by("track_id")
        vectors = [name for name in ("vector", "window_vectors", "features", "tags") if name in rows.schema.names]
        assert vectors
        for name in [*vectors, "source_version"]:
            assert rows[name][0] == rows[name][1], name
    assert home.table("audio_facts").count_rows() == 2


NOT_TWINS = {
    "another size": new(ETAG, size=999),
    "no size": new(ETAG, size=None),
    "another ETag": new(OTHER),
    "an ETag of other parts": new(PARTS.replace("12", "13")),
    "a weak ETag": new(f'W/"{ETAG}'),
    "a local file": new("1000-1700000000.000000"),
    "a missing file": new("missing"),
}


@pytest.mark.parametrize("named", NOT_TWINS)
def test_what_may_be_another_file_is_not_copied(home, named):
    tracks = NOT_TWINS[named]
    for name in ("whole", "parts"):  # even where a twin's version reads the same
        home.table("tracks").update({"source_version": f"'{ETAG}'"}, where=f"track_id = '{name}'")
    assert copies(home, tracks) == []
    assert representatives(home, SPEC, tracks) == tracks


FORBIDDEN = {
    "its file was replaced": ("tracks", {"source_version": f"'{OTHER}'"}),
    "it vanished": ("tracks", {"state": "'vanished'"}),
    "its source was removed": ("tracks", {"state": "'removed'"}),
    "its tags are older": (embeddings_table(SPEC), {"tags_version": "'older'"}),
    "its features are of another file": (features_table(SPEC), {"source_version": f"'{OTHER}'"}),
}


@pytest.mark.parametrize("why", FORBIDDEN)
def test_an_incomplete_or_outdated_twin_is_not_copied(home, why):
    table, values = FORBIDDEN[why]
    home.table(table).update(values, where="track_id = 'whole'")
    assert copies(home, new(ETAG)) == []


def test_another_version_is_not_copied(home):
    other = replace(SPEC, head=replace(SPEC.head, revision=9))
    assert copies(home, new(ETAG), other) == []
    assert len(representatives(home, other, new(ETAG))) == 1


def test_outdated_windows_are_not_copied(home):
    home.table(windows_table(SPEC)).update({"source_version": f"'{OTHER}'"}, where="track_id = 'whole'")
    (copy,) = copies(home, new(ETAG))
    assert copy["window_vectors"] is None


def test_metadata_from_the_twins_manifest_is_not_copied(home):
    (copy,) = copies(home, new(ETAG))
    assert copy["title"] == "WHOLE"  # from the file's own tags
    home.table("tracks").update({"title": "'Whole'"}, where="track_id = 'whole'")
    (copy,) = copies(home, new(ETAG))
    assert copy["title"] is None


def test_the_first_of_several_tracks_with_one_file_is_no_repeat():
    tracks = pa.concat_tables(
        [make_listing(["a", "b"], ETAG), make_listing(["c", "d"], "1000-1.5"), make_listing(["e"], ETAG)]
    )
    first, repeats = split_repeats(tracks)
    assert first["track_id"].to_pylist() == ["a", "c", "d"]
    assert repeats.left["track_id"].to_pylist() == ["b", "e"]
    first, repeats = split_repeats(tracks.slice(0, 0))
    assert (len(first), len(repeats.left)) == (0, 0)


def test_an_outcome_is_copied_for_its_repeats():
    """Not from a quarantined track, nor from a file that changed since it was listed."""
    changed = make_listing(["changed", "later"], "0123456789abcdef0123456789abcdef")
    refused = make_listing(["refused", "too"], "fedcba9876543210fedcba9876543210")
    tracks = pa.concat_tables([make_listing(["a", "b"], ETAG), changed, refused])
    _, repeats = split_repeats(tracks)
    outcomes = outcome_batch(
        embedded_row("a", ETAG, codec="mp3"),
        embedded_row("changed", "another version"),
        quarantined_row("refused", version=refused["source_version"][0].as_py()),
    )
    (copy,) = repeats.copy(outcomes, SPEC).to_pylist()
    (original, *_) = outcomes.to_pylist()
    assert copy == original | {"track_id": "b", "codec": None}
    assert repeats.left["track_id"].to_pylist() == ["later", "too"]


def test_a_fingerprint_outlives_another_embedding_of_its_content(home):
    home.table("audio_facts").update({"fingerprint": "X'0102'"}, where=f"content_sha256 = 'whole-{ETAG}'")
    write(home, SPEC, embedded_row("whole", ETAG, codec="mp3"))
    (row,) = home.table("audio_facts").to_table(filter=f"content_sha256 = 'whole-{ETAG}'").to_pylist()
    assert (row["fingerprint"], row["codec"]) == (b"\x01\x02", "mp3")
