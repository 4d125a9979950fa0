"""Moments of hits and `search --segments`, on audio whose layout is known."""

import numpy as np
import pytest

from lake.embeddings.indexes import compact_and_index
from lake.embeddings.stretches import stretch_vectors
from lake.maintenance.cleanup import table_files
from lake.storage.lake import Lake
from schemas.settings import S3Settings
from schemas.tables import windows_table
from tests.audio_files import sndfile
from tests.cli import error_line, run_here, run_json
from tests.flows.catalogue import run_in_process
from tests.lake.rows import SPEC, make_small_lake

RATE = 16_000


def hiss(seconds, seed=0):
    return 0.3 * np.random.default_rng(seed).standard_normal(seconds * RATE)


def tone(seconds, hertz=220):
    return 0.5 * np.sin(2 * np.pi * hertz * np.arange(seconds * RATE) / RATE)


@pytest.fixture
def music(tmp_path, monkeypatch):
    """Three tracks: a tone from 0:20 to 0:36, two tones, and none."""
    run_in_process([], monkeypatch)
    folder = tmp_path / "music"
    folder.mkdir()
    layouts = {
        "one.wav": [hiss(20, 1), tone(16), hiss(24, 2)],
        "two.wav": [tone(12), hiss(40, 3), tone(20), hiss(8, 4)],
        "none.wav": [hiss(60, 5)],
    }
    for name, parts in layouts.items():
        (folder / name).write_bytes(sndfile(np.concatenate(parts)[None].astype(np.float32), rate=RATE))
    (tmp_path / "tone.wav").write_bytes(sndfile(tone(4)[None].astype(np.float32), rate=RATE))
    return folder


def search(music, *arguments, **settings):
    """Return (file, from, to) of each hit; of a hit without a moment only the file."""
    hits = run_json(music.parent / "lake", "search", "--audio", music.parent / "tone.wav", *arguments, **settings)
    return [
        (hit["uri"].rsplit("/", 1)[1], *((hit["best"]["start_s"], hit["best"]["end_s"]) if hit["best"] else ()))
        for hit in hits
    ]


def index(music, *arguments, **settings):
    run_json(music.parent / "lake", "index", music, *arguments, **settings)


def test_each_hit_carries_its_best_moment(music):
    index(music)
    moments = {name: times for name, *times in search(music)}
    assert moments["one.wav"] == [20, 36]
    assert moments["two.wav"] in ([0, 12], [52, 72])


def test_segments_are_the_stretches_that_sound_like_the_query(music):
    index(music)
    first_three = search(music, "--segments", "-k", 3)
    assert sorted(first_three) == [("one.wav", 20, 36), ("two.wav", 0, 12), ("two.wav", 52, 72)]
    hits = run_json(music.parent / "lake", "search", "--audio", music.parent / "tone.wav", "--segments")
    assert [hit["score"] for hit in hits] == sorted((hit["best"]["score"] for hit in hits), reverse=True)
    assert {name for name, *_ in search(music, "--segments", "--where", "duration_s < 70")} == {"one.wav", "none.wav"}
    table = run_here(
        *("--lake", music.parent / "lake", "--encoder", "fake", "search"),
        *("--audio", music.parent / "tone.wav", "--segments", "-k", 3),
    ).stdout
    assert "0:20" in table
    assert "0:36" in table


def test_a_dislike_counts_for_moments_too(music):
    """The moments of `best` and of --segments follow one rule, and both know the dislike."""
    index(music)
    other = music.parent / "hiss.wav"
    other.write_bytes(sndfile(hiss(4)[None].astype(np.float32), rate=RATE))
    parts = ("--audio", other, "--unlike", music.parent / "tone.wav")
    hits = run_json(music.parent / "lake", "search", *parts, "--segments", "-k", 20)
    plain = run_json(music.parent / "lake", "search", "--audio", other, "--segments", "-k", 20)
    assert [hit["score"] for hit in hits] != [hit["score"] for hit in plain]
    tracks = run_json(music.parent / "lake", "search", *parts)
    best = {hit["track_id"]: hit["best"] for hit in hits[::-1]}
    assert {hit["track_id"]: hit["best"] for hit in tracks} == best


def test_moments_of_an_artist_come_first(music):
    index(music)
    lake = music.parent / "lake"
    first = search(music, "--segments")[0][0]
    assert first != "none.wav"
    manifest = music.parent / "names.csv"
    manifest.write_text("uri,artist\n" + "".join(f"{music / name}.wav,Artist {name}\n" for name in ("one", "two")))
    manifest.write_text(manifest.read_text() + f"{music / 'none.wav'},Muldjord\n")
    run_json(lake, "index", manifest)
    hits = run_json(lake, "search", "Muldjord", "--segments")
    artists = [hit["artist"] for hit in hits]
    assert artists == sorted(artists, key=lambda artist: artist != "Muldjord")
    assert {*artists} == {"Muldjord", "Artist one", "Artist two"}
    assert run_json(lake, "search", "Muldjord", "--segments", "-k", 1)[0]["artist"] == "Muldjord"


def test_windows_that_are_spread_over_a_track_keep_their_times(music):
    """Of 30 windows of 2 s five are kept, those of 0, 14, 28, 44 and 58 s: a moment of one is widened to 5 s."""
    index(music, "--max-windows", 5)
    assert {name: times for name, *times in search(music)}["one.wav"] == [26.5, 31.5]


def test_a_lake_without_windows_has_no_moments(music):
    index(music, TONELAKE_KEEP_WINDOWS="false")
    assert {len(hit) for hit in search(music)} == {1}
    assert search(music, "--segments") == []
    lake = music.parent / "lake"
    assert run_json(lake, "status")["encoders"][0]["without_moments"] == 3
    assert "3 tracks have no moments: the lake keeps no windows of them" in run_here("--lake", lake, "status").stdout


def test_a_lake_without_stretches_gets_them_by_maintenance(music):
    index(music, TONELAKE_KEEP_STRETCHES="false")
    before = search(music, "--segments")
    assert before[0][0] in ("one.wav", "two.wav")
    lake = Lake.at(str(music.parent / "lake"), S3Settings())
    (name,) = [name for name in lake.table_names() if name.startswith("windows__")]
    assert lake.table(name).to_table()["stretch_vectors"].null_count == 3
    plan = {row["table"]: row["done"] for row in run_json(lake.uri, "maintain", "--dry-run")}
    assert "would compute the stretches" in plan[name]
    done = {row["table"]: row["done"] for row in run_json(lake.uri, "maintain")}
    assert "computed the stretches of 3 tracks" in done[name]
    rows = lake.table(name).to_table().to_pylist()
    assert [len(row["stretch_vectors"]) for row in rows] == [-(-len(row["window_vectors"]) // 15) for row in rows]
    assert search(music, "--segments") == before
    assert "computed" not in str(run_json(lake.uri, "maintain"))


def test_segments_need_a_query(music):
    index(music)
    message = error_line(
        *("--lake", music.parent / "lake", "--encoder", "fake"), "search", "--segments", "--where", "year > 1"
    )
    assert "segments of what?" in message
    message = error_line(
        "--lake", music.parent / "lake", "--encoder", "fake", "search", "a", "--segments", "--explain"
    )
    assert "--explain says what found a track, not a moment" in message


def test_a_takedown_leaves_no_byte_of_stretches_and_their_indexes(tmp_path, monkeypatch):
    monkeypatch.setattr("lake.embeddings.indexes.VECTOR_INDEX_ROWS", 64)
    lake = make_small_lake(str(tmp_path / "lake"), commits=10)
    compact_and_index(lake, SPEC)
    name = windows_table(SPEC)
    table = lake.table(name)
    row = table.to_table(filter="track_id = 't0007'")
    stretches = stretch_vectors(SPEC, row["window_vectors"])
    assert row["stretch_vectors"].to_pylist() == stretches.to_pylist()
    marks = [b"t0007", np.asarray(stretches.to_pylist()[0][0], np.float32).tobytes()]

    def bytes_left():
        files = [path for path in table_files(lake, name) if "/_transactions/" not in path]
        return [path for path in files if any(mark in lake.file_system().cat_file(path) for mark in marks)]

    assert {index.field_names[0] for index in table.describe_indices()} == {"track_id", "stretch_vectors"}
    assert any("_indices" in path for path in bytes_left())
    assert any("data" in path for path in bytes_left())
    run_here("--lake", lake.uri, "takedown", "--yes", "--receipt", tmp_path / "receipt.json", "t0007")
    assert bytes_left() == []
    indexes = lake.table(name).describe_indices()
    assert {index.num_rows_indexed for index in indexes} == {39}
