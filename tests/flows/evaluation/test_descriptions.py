"""`tonelake evaluate` on benchmarks of tempo and key: what is judged, what is left out, and what is kept."""

import json
from pathlib import Path

import pytest

from flows.evaluation.describe_files import DescribedFile
from flows.evaluation.evaluate import evaluate
from flows.evaluation.request import EvaluateRequest
from lake.benchmarks.results import read_predictions
from lake.storage.lake import Lake
from schemas.descriptions import DESCRIPTION_VERSION, Description
from schemas.errors import UserError
from schemas.runs import CoverageError
from schemas.settings import S3Settings, Settings
from tests.cli import error_line, run_here, run_json
from tests.flows.ingest.test_describe import write_chord
from tests.flows.labelled import write_labelled_folder
from workers.evaluation.predictions import from_table

TEMPI = {"1": "120.0", "2": "90.0", "3": "140.0", "4": "128.0", "5": "174.0", "6": "0.0"}
ANSWERS = {"1": 121.0, "2": 180.0, "3": None}  # 4 is damaged, 5 is missing, 6 has no true tempo


def write_tempo_benchmark(folder: Path) -> Path:
    """Write the layout of GiantSteps tempo; the audio is not decoded."""
    for path in ("splits", "annotations_v2/tempo", "audio"):
        (folder / path).mkdir(parents=True)
    (folder / "splits/files.txt").write_text("".join(f"{name}.LOFI.mp3\n" for name in TEMPI))
    for name, tempo in TEMPI.items():
        (folder / f"annotations_v2/tempo/{name}.LOFI.bpm").write_text(tempo)
        (folder / f"audio/{name}.LOFI.mp3").write_bytes(f"sound {name}".encode())
    (folder / "audio/5.LOFI.mp3").unlink()
    return folder


def describe(paths, _):
    """Describe files by their name, in another order."""
    for path in reversed(paths):
        name = path.name.split(".")[0]
        if name in ANSWERS:
            yield DescribedFile(path, Description(bpm=ANSWERS[name]))
        else:
            yield DescribedFile(path, None, "truncated")


def describe_nothing(paths, _):
    raise AssertionError(f"{len(paths)} files are decoded again")
    yield


def evaluate_tempo(lake, data, describe_files=describe):
    request = EvaluateRequest(benchmarks=("giantsteps-tempo",), data=str(data))
    return [figure.to_json() for figure in evaluate(request, Settings(lake=str(lake)), describe=describe_files)]


@pytest.fixture
def evaluated(tmp_path):
    """A lake, the benchmark's folder, and its figures."""
    data = write_tempo_benchmark(tmp_path / "data")
    return tmp_path / "lake", data, evaluate_tempo(tmp_path / "lake", data)


def test_figures_stand_beside_the_description_version(evaluated):
    _, _, rows = evaluated
    assert {row["metric"]: row["value"] for row in rows} == pytest.approx(
        {"accuracy1": 1 / 3, "accuracy2": 2 / 3, "answered": 2 / 3}
    )
    for row in rows:
        assert (row["encoder"], row["embedding_version"]) == ("description", DESCRIPTION_VERSION)
        assert (row["protocol"], row["inputs"], row["is_main"]) == ("tempo", "audio", row["metric"] == "accuracy1")
        assert row["low"] <= row["value"] <= row["high"]
        assert not row["unchanged"]


def test_every_clip_is_judged_or_named(evaluated):
    lake, _, rows = evaluated
    assert {(row["expected"], row["embedded"], row["coverage"], row["partial"]) for row in rows} == {(5, 3, 0.6, True)}
    assert rows[0]["dropped"] == ["5: missing", "4: truncated", "6: unlabelled"]
    (run,) = Lake.at(str(lake), S3Settings()).table("runs").to_table().to_pylist()
    assert (run["command"], run["status"], run["encoder"]) == ("evaluate", "done", None)
    counts = json.loads(run["counts"])
    assert counts == {
        "expected": 5,
        "judged": 3,
        "quarantined": 1,
        "missing": 1,
        "unlabelled": 1,
        "reasons": {"truncated": 1},
    }


def test_answers_are_kept_beside_the_table(evaluated):
    lake, _, rows = evaluated
    results = from_table(read_predictions(Lake.at(str(lake), S3Settings()), rows[0]["evaluation_id"]))
    assert results.ids == ("1", "2", "3")
    assert results.truth == ("120.00", "90.00", "140.00")
    assert results.answers == ("121.00", "180.00", None)


def test_nothing_is_decoded_again_until_a_file_changes(evaluated):
    lake, data, rows = evaluated
    repeated = evaluate_tempo(lake, data, describe_nothing)
    assert all(row["unchanged"] for row in repeated)
    assert [row["at"] for row in repeated] == [row["at"] for row in rows]
    (data / "audio/5.LOFI.mp3").write_bytes(b"sound 5")
    complete = evaluate_tempo(lake, data, lambda paths, _: (DescribedFile(path, Description()) for path in paths))
    assert {(row["embedded"], row["partial"], row["value"]) for row in complete} == {(5, False, 0.0)}
    (data / "annotations_v2/tempo/6.LOFI.bpm").write_text("100.0")
    with pytest.raises(AssertionError, match="6 files"):
        evaluate_tempo(lake, data, describe_nothing)


def test_leaderboard_and_report_show_it(evaluated, tmp_path):
    lake, _, _ = evaluated
    (row,) = run_json(lake, "leaderboard")
    assert (row["benchmark"], row["protocol"], row["system"]) == ("giantsteps-tempo", "tempo", "description")
    assert row["main_metric"] == "accuracy1"
    assert row["embedding_version"] == DESCRIPTION_VERSION
    run_here("--lake", lake, "report", "--out", tmp_path / "report")
    page = (tmp_path / "report/index.html").read_text()
    assert (
        "no figure counts 3 clips (1 missing, 1 truncated, 1 unlabelled): 5: missing, 4: truncated, 6: unlabelled"
        in page
    )
    assert f"<td>{DESCRIPTION_VERSION}" in page


def test_a_file_without_outcome_is_an_error_of_ours(tmp_path):
    data = write_tempo_benchmark(tmp_path / "data")
    with pytest.raises(CoverageError, match="4 files have neither"):
        evaluate_tempo(tmp_path / "lake", data, lambda *_: iter(()))


def test_files_that_all_fail_give_no_figure(tmp_path):
    data = write_tempo_benchmark(tmp_path / "data")
    with pytest.raises(UserError, match="no file can be described, such as 5: missing"):
        evaluate_tempo(
            tmp_path / "lake", data, lambda paths, _: (DescribedFile(path, None, "silent") for path in paths)
        )


def test_what_cannot_be_judged_is_said_at_once(tmp_path):
    data, lake = write_tempo_benchmark(tmp_path / "data"), tmp_path / "lake"
    command = ("--lake", lake, "evaluate", "giantsteps-tempo")
    assert "where is giantsteps-tempo? Give its folder" in error_line(*command)
    line = error_line(*command, "--data", data, "--protocol", "key")
    assert "cannot judge descriptions on giantsteps-tempo by key: its clips have a tempo and no labels" in line
    folder = write_labelled_folder(tmp_path / "clips")
    line = error_line(
        "--lake", lake, "evaluate", "folder", "--data", folder, "--protocol", "tempo", "--encoder", "fake"
    )
    assert "by tempo: its clips have no tempo" in line
    for path in (data / "audio").iterdir():
        path.unlink()
    assert "no audio file such as audio/1.LOFI.mp3 is below" in error_line(*command, "--data", data)
    assert not lake.exists()


def test_real_files_are_described(tmp_path):
    """Chords over clicks; one key is labelled a fifth too high, one file is no audio, and one is missing."""
    tempo, key = tmp_path / "sets/giantsteps-tempo", tmp_path / "sets/giantsteps-key"
    write_tempo_benchmark(tempo)
    for name in ("1", "2"):
        write_chord(tempo / f"audio/{name}.LOFI.mp3", 220.0, float(TEMPI[name]))
    for name in ("3", "6"):
        (tempo / f"audio/{name}.LOFI.mp3").unlink()
    for path in ("annotations/key", "audio"):
        (key / path).mkdir(parents=True)
    for name, label, root in (("1", "A major", 220.0), ("2", "C major", 261.63), ("3", "Db major", 185.0)):
        (key / f"annotations/key/{name}.LOFI.key").write_text(label)
        write_chord(key / f"audio/{name}.LOFI.mp3", root, 120)
    rows = run_json(tmp_path / "lake", "evaluate", "giantsteps-tempo", "giantsteps-key", "--data", tmp_path / "sets")
    values = {(row["protocol"], row["metric"]): row["value"] for row in rows}
    assert values["tempo", "accuracy2"] == values["tempo", "answered"] == 1
    assert values["key", "weighted"] == pytest.approx(2.5 / 3)
    assert values["key", "fifth"] == pytest.approx(1 / 3)
    (dropped,) = {tuple(row["dropped"]) for row in rows if row["protocol"] == "tempo"}
    assert dropped == ("3: missing", "5: missing", "6: unlabelled", "4: unrecognised")
