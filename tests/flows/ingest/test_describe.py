"""`tonelake describe`, and the descriptions that embedding writes: once a content, in every row of it."""

import os
import time

import lance
import numpy as np
import pyarrow as pa
import pytest
import soundfile

from flows.operations.takedown import TakedownRequest, take_down
from lake.catalogue.descriptions import TABLE
from schemas.descriptions import DESCRIPTION_COLUMNS, DESCRIPTION_NAMES, DESCRIPTION_VERSION
from schemas.settings import Settings
from tests.audio_files import sndfile
from tests.cli import error_line, kill_group, run_here, run_json, start
from tests.flows.catalogue import NAMES, ChangingCatalogue, run_in_process, write_sound
from workers.description.describer import Describer
from workers.encoders.fake import SPEC

EMBEDDINGS = f"embeddings__fake__{SPEC.embedding_version}"


@pytest.fixture
def catalogue(tmp_path, monkeypatch):
    """Ten sounds, of which the first two are one content, and a lake without them yet."""
    catalogue = ChangingCatalogue(tmp_path / "music", str(tmp_path / "lake"))
    write_sound(catalogue.music / "b.wav", 0)
    run_in_process(catalogue.decoded, monkeypatch)
    return catalogue


def descriptions(catalogue, spec=SPEC):
    """Return the description of each embedded file, by name."""
    rows = catalogue.rows(spec, ["track_id", *DESCRIPTION_NAMES])
    return {name: {column: row[column] for column in DESCRIPTION_NAMES} for name, row in rows.items()}


def without_descriptions(catalogue, monkeypatch):
    """Index the catalogue as a lake of an earlier tonelake: without the columns and the table."""
    monkeypatch.setenv("TONELAKE_DESCRIBE", "0")
    catalogue.index()
    monkeypatch.delenv("TONELAKE_DESCRIBE")
    catalogue.lake.table(EMBEDDINGS).drop_columns(list(DESCRIPTION_NAMES))
    assert TABLE not in catalogue.lake.table_names()


def described_directly(path):
    """Describe a WAV file of 16 kHz, without any of the lake's code."""
    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    describer = Describer()
    describer.add(samples.T.copy(), rate)
    row = describer.finish().to_columns()
    return pa.Table.from_pylist([row], schema=pa.schema(DESCRIPTION_COLUMNS)).to_pylist()[0]  # float32, as stored


def test_embedding_describes(catalogue):
    catalogue.index()
    rows = descriptions(catalogue)
    assert set(rows) == set(NAMES)
    for name, row in rows.items():
        due = described_directly(catalogue.music / name)
        assert row == due, name
        assert row["loudness_lufs"] < 0
    stored = catalogue.lake.table(TABLE).to_table().to_pylist()
    assert len(stored) == 9  # a and b are one content
    assert {row["description_version"] for row in stored} == {DESCRIPTION_VERSION}


def test_a_lake_of_an_earlier_tonelake_is_described_once(catalogue, monkeypatch):
    without_descriptions(catalogue, monkeypatch)
    assert "run `tonelake describe`" in error_line("--lake", catalogue.uri, "search", "--bpm", "60-200")
    before = run_json(catalogue.uri, "describe", "--dry-run")
    assert before["pending"] == {"to decode": 9}
    assert before["cost"]["estimated_audio_seconds"] > 0
    assert TABLE not in catalogue.lake.table_names()
    del catalogue.decoded[:]
    report = run_json(catalogue.uri, "describe")
    assert (report["decoded"], report["pending"], report["encoders"][0]["described"]) == (9, {}, 10)
    assert len(catalogue.decoded) == 9
    rows = descriptions(catalogue)
    assert rows["a.wav"] == rows["b.wav"] == described_directly(catalogue.music / "a.wav")
    assert run_json(catalogue.uri, "describe")["decoded"] == 0
    assert run_json(catalogue.uri, "status")["live"]["release"] == 2


def test_an_earlier_release_is_read_and_compared(catalogue, monkeypatch):
    """Its table has no columns of descriptions: hits have none, and an export of the changes holds all rows."""
    without_descriptions(catalogue, monkeypatch)
    run_json(catalogue.uri, "promote", SPEC.embedding_version, "--force", "--reason", "without the columns")
    run_json(catalogue.uri, "describe")
    hits = run_json(catalogue.uri, "search", "--where", "track_id != ''", "--release", 2)
    assert {hit["loudness_lufs"] for hit in hits} == {None}
    exported = run_json(catalogue.uri, "export", catalogue.music.parent / "changes", "--since", 2)
    assert exported["tracks"] == 10


def test_filters_in_the_users_words(catalogue):
    """Noise has no key and no tempo; a chord over clicks has both."""
    for name, root in (("c.wav", 220.0), ("d.wav", 220.0 * 2 ** (3 / 12))):
        write_chord(catalogue.music / name, root, bpm=120)
    catalogue.index()
    rows = descriptions(catalogue)
    assert (rows["c.wav"]["musical_key"], rows["d.wav"]["musical_key"]) == ("A", "C")
    for options in (("--key", "A major"), ("--key", "11B"), ("--key", "A", "--bpm", "118-122")):
        hits = run_json(catalogue.uri, "search", *options)
        assert [os.path.basename(hit["uri"]) for hit in hits] == ["c.wav"], options
    where = "bpm BETWEEN 118 AND 122 AND musical_key = 'C' AND loudness_lufs < 0"
    (hit,) = run_json(catalogue.uri, "search", "--where", where)
    assert (hit["musical_key"], hit["mode"], hit["bpm"]) == ("C", "major", pytest.approx(120, rel=0.02))
    shown = run_here("--lake", catalogue.uri, "search", "--bpm", "118-122", "--key", "C").stdout
    assert {"bpm", "key", "120", "C major"} <= {cell.strip() for line in shown.splitlines() for cell in cells(line)}


def cells(line):
    return line.replace("┃", "│").split("│")


def write_chord(path, root, bpm, seconds=8):
    """Write a major triad on `root` Hz, with a click on each beat."""
    time = np.arange(16_000 * seconds) / 16_000
    notes = sum(np.sin(2 * np.pi * root * 2 ** (step / 12) * time) for step in (0, 4, 7, 12))
    clicks = np.exp(-200 * (time % (60 / bpm))) * np.random.default_rng(0).standard_normal(len(time))
    path.write_bytes(sndfile((0.05 * notes + 0.3 * clicks).astype(np.float32)[None], rate=16_000))


def test_a_new_head_and_a_move_keep_the_description(catalogue):
    catalogue.index()
    before = descriptions(catalogue)
    (catalogue.music / "a.wav").rename(catalogue.music / "moved.wav")
    catalogue.refresh()
    after = descriptions(catalogue)
    assert not catalogue.decoded
    assert after["moved.wav"] == before["a.wav"]


def test_another_content_has_its_own_description(catalogue):
    catalogue.index()
    tone = 0.25 * np.sin(2 * np.pi * 440 * np.arange(48_000) / 16_000, dtype=np.float32)
    (catalogue.music / "c.wav").write_bytes(sndfile(tone[None], rate=16_000))
    catalogue.refresh()
    row = descriptions(catalogue)["c.wav"]
    assert row == described_directly(catalogue.music / "c.wav")
    assert row["musical_key"] == "A"


def test_rows_of_earlier_methods_are_renewed_alone(catalogue):
    catalogue.index()
    table = catalogue.lake.table(TABLE)
    content = catalogue.rows()["d.wav"]["content_sha256"]
    old = {"description_version": "'old'", "bpm": "1"}
    table.update(old, where=f"content_sha256 = '{content}'")
    catalogue.lake.table(EMBEDDINGS).update(old, where=f"content_sha256 = '{content}'")
    assert catalogue.refresh().encoders[0].embedded_now == 0
    assert descriptions(catalogue)["d.wav"]["bpm"] == 1
    del catalogue.decoded[:]
    assert run_json(catalogue.uri, "describe")["decoded"] == 1
    assert catalogue.decoded == ["d.wav"]
    due = described_directly(catalogue.music / "d.wav")
    assert descriptions(catalogue)["d.wav"] == due


def test_a_changed_copy_is_found_and_repaired(catalogue):
    catalogue.index()
    before = descriptions(catalogue)
    catalogue.lake.table(EMBEDDINGS).update({"bpm": "1"}, where="track_id IS NOT NULL")
    (finding,) = run_json(catalogue.uri, "doctor", code=1)
    assert (finding["check"], finding["count"], finding["run"]) == ("description", 10, "tonelake describe")
    assert run_json(catalogue.uri, "describe")["decoded"] == 0
    assert descriptions(catalogue) == before
    assert run_json(catalogue.uri, "doctor") == []


def test_a_file_that_is_gone_is_counted(catalogue, monkeypatch):
    without_descriptions(catalogue, monkeypatch)
    (catalogue.music / "c.wav").unlink()
    run_json(catalogue.uri, "refresh")
    report = run_json(catalogue.uri, "describe")
    assert (report["decoded"], report["pending"]) == (8, {})  # the refresh took the track out of the search
    write_sound(catalogue.music / "d.wav", 200)
    assert run_json(catalogue.uri, "describe")["decoded"] == 0


def test_a_takedown_erases_the_description(catalogue):
    catalogue.index()
    row = catalogue.rows()["c.wav"]
    take_down(TakedownRequest((row["track_id"],)), Settings(lake=catalogue.uri), print)
    contents = catalogue.lake.table(TABLE).to_table()["content_sha256"].to_pylist()
    assert len(contents) == 8
    assert row["content_sha256"] not in contents
    shared = catalogue.rows()["a.wav"]
    take_down(TakedownRequest((shared["track_id"],)), Settings(lake=catalogue.uri), print)
    assert shared["content_sha256"] in catalogue.lake.table(TABLE).to_table()["content_sha256"].to_pylist()


def test_a_killed_run_is_resumed(catalogue, monkeypatch):
    """kill -9 after the first commit: what was computed is kept, and the next run decodes the rest alone."""
    without_descriptions(catalogue, monkeypatch)
    process = start("--lake", catalogue.uri, "describe", TONELAKE_COMMIT_ROWS="1", TONELAKE_EXECUTOR="local")
    deadline = time.monotonic() + 120
    while TABLE not in catalogue.lake.table_names() or not catalogue.lake.table(TABLE).count_rows():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.005)
    kill_group(process)
    kept = lance.dataset(f"{catalogue.uri}/{TABLE}.lance").count_rows()
    assert 0 < kept < 9
    report = run_json(catalogue.uri, "describe")
    assert (report["decoded"], report["encoders"][0]["described"]) == (9 - kept, 10)


def test_nothing_embedded_is_one_line(tmp_path):
    assert "no lake" in error_line("--lake", tmp_path / "nothing", "describe")
