"""`tonelake evaluate` as a user runs it: own folder, official layout, missing clips, changes."""

import json
import shutil

import pyarrow.parquet as pq
import pytest
import ray

from lake.benchmarks.results import read_predictions
from lake.storage.lake import Lake
from schemas.settings import S3Settings
from tests.cli import error_line, run, run_json
from tests.flows.labelled import evaluate_folder, read_labels, write_gtzan, write_labelled_folder, write_labels
from workers.encoders.registry import ENCODERS
from workers.evaluation.predictions import RetrievalResults, from_table

PROTOCOLS = {"zero-shot", "tag-retrieval", "sentence-retrieval", "linear", "mlp"}


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    """A lake, a labelled folder, and the figures of the fake encoder on it."""
    root = tmp_path_factory.mktemp("evaluate")
    folder = write_labelled_folder(root / "clips")
    yield root / "lake", folder, run_json(root / "lake", "evaluate", "folder", "--data", folder)
    ray.shutdown()


def figure(rows, protocol, metric):
    (row,) = [row for row in rows if (row["protocol"], row["metric"]) == (protocol, metric)]
    return row


def test_every_protocol_that_fits_is_evaluated(evaluated):
    _, _, rows = evaluated
    assert {row["protocol"] for row in rows} == PROTOCOLS
    assert {row["coverage"] for row in rows} == {1.0}
    assert not any(row["partial"] for row in rows)
    assert sum(row["is_main"] for row in rows) == len(PROTOCOLS)
    assert all(row["low"] <= row["value"] <= row["high"] for row in rows if row["metric"] != "ece")
    assert all(row["low"] is None for row in rows if row["metric"] == "ece")
    assert {row["resamples"] for row in rows} == {1000}


def test_a_row_holds_all_that_the_figure_depends_on(evaluated):
    _, _, rows = evaluated
    row = figure(rows, "mlp", "roc_auc")
    assert row["embedding_version"] == ENCODERS["fake"].spec.embedding_version
    assert len(row["split_hash"]) == 12
    assert row["max_windows"] is None
    assert (row["expected"], row["embedded"]) == (36, 36)
    assert json.loads(row["chosen"])["batch"] in (16, 64, 512)
    assert len(json.loads(row["parameters"])["probes"]) == 12
    assert row["dropped"] == ["tone"]  # every clip has it
    assert figure(rows, "zero-shot", "roc_auc")["prompt"] == "{}"


def test_the_probes_learn_what_the_vectors_tell(evaluated):
    _, _, rows = evaluated
    assert figure(rows, "linear", "roc_auc")["value"] == 1.0
    assert figure(rows, "mlp", "roc_auc")["value"] == 1.0


def test_predictions_are_in_parquet_beside_the_table(evaluated):
    lake, _, rows = evaluated
    row = figure(rows, "mlp", "roc_auc")
    table = pq.read_table(lake / "evaluations" / f"{row['evaluation_id']}.parquet")
    scores = from_table(table)
    assert len(scores.ids) == 12
    assert set(scores.names) == {"bright", "dark", "tone"}
    sentences = figure(rows, "sentence-retrieval", "recall@10")
    results = from_table(read_predictions(Lake.at(str(lake), S3Settings()), sentences["evaluation_id"]))
    assert isinstance(results, RetrievalResults)
    assert (results.queries, results.gallery, len(results.relevant[0])) == (("a dark tone",), 6, 6)


def test_unchanged_figures_are_not_recomputed(evaluated):
    lake, folder, rows = evaluated
    repeated = run_json(lake, "evaluate", "folder", "--data", folder)
    assert all(row["unchanged"] for row in repeated)
    assert [row["at"] for row in repeated] == [row["at"] for row in rows]


def test_the_leaderboard_follows_the_data_back_and_forth(evaluated, tmp_path):
    _, folder, _ = evaluated
    clips, lake = tmp_path / "clips", tmp_path / "lake"
    shutil.copytree(folder, clips)
    content = (clips / "test-dark-0.wav").read_bytes()
    boards = []
    for version in (content, b"", content):
        (clips / "test-dark-0.wav").write_bytes(version)
        evaluate_folder(lake, clips, "sentence-retrieval")
        (board,) = run_json(lake, "leaderboard")
        boards.append((board["embedded"], board["expected"], board["partial"]))
    assert boards == [(6, 6, False), (5, 6, True), (6, 6, False)]  # of the six clips that have a caption


def test_captions_alone_are_enough(tmp_path):
    folder = write_labelled_folder(tmp_path / "clips")
    write_labels(folder, [row | {"tags": ""} for row in read_labels(folder)])
    assert {row["protocol"] for row in evaluate_folder(tmp_path / "lake", folder)} == {"sentence-retrieval"}


def test_what_cannot_be_judged_is_said_before_anything_is_embedded(tmp_path, capfd):
    folder, lake = write_labelled_folder(tmp_path / "clips"), tmp_path / "lake"
    labels = read_labels(folder)
    arguments = ("--lake", lake, "--encoder", "fake", "evaluate", "folder", "--data", folder)
    one_test_clip = [row | {"split": "test" if row is labels[-1] else "train"} for row in labels]
    write_labels(folder, one_test_clip)
    assert "one test clip is too few" in error_line(*arguments, "--protocol", "zero-shot")
    write_labels(folder, [row | {"split": "train"} for row in labels])
    assert "it has no test split" in error_line(*arguments)
    write_labels(folder, [row | {"split": "test", "tags": "tone"} for row in labels])
    assert "no label divides its test split" in error_line(*arguments, "--protocol", "zero-shot")
    assert not lake.exists()
    write_labels(folder, [row | {"split": "test", "caption": ""} for row in labels])
    capfd.readouterr()
    evaluate_folder(lake, folder)
    lines = capfd.readouterr().err.splitlines()
    embedding = next(index for index, line in enumerate(lines) if "36 tracks to embed" in line)
    assert lines[:embedding] == [
        "folder, sentence-retrieval: left out, its test clips have no captions",
        "folder, linear: left out, it has no train and no valid split",
        "folder, mlp: left out, it has no train and no valid split",
    ]


def test_clips_never_appear_in_the_catalogue(evaluated, rendered):
    lake, _, _ = evaluated
    assert "no lake" in error_line("--lake", lake, "status")
    report = run_json(lake, "index", rendered / "manifest.csv")
    assert report["expected"] == 6
    (counts,) = run_json(lake, "status")["encoders"]
    assert (counts["expected"], counts["embedded"]) == (6, 6)
    assert len(run_json(lake, "search", "dark", "-k", "50")) == 6


def test_other_labels_are_another_split_and_cost_no_decoding(evaluated, capfd):
    lake, folder, rows = evaluated
    labels = read_labels(folder)
    write_labels(folder, [row | {"tags": row["tags"].replace("bright", "shrill")} for row in labels])
    renamed = evaluate_folder(lake, folder, "zero-shot", "linear")
    write_labels(folder, labels)
    assert not any(row["unchanged"] for row in renamed)
    assert {row["split_hash"] for row in renamed}.isdisjoint({row["split_hash"] for row in rows})
    assert "nothing to embed" in capfd.readouterr().err  # no clip was embedded again


def test_missing_and_broken_clips_lower_the_coverage(evaluated, tmp_path):
    _, folder, _ = evaluated
    worse = tmp_path / "clips"
    shutil.copytree(folder, worse)
    (worse / "test-dark-0.wav").unlink()
    (worse / "test-dark-1.wav").write_bytes(b"<html>not found</html>" * 50)
    (worse / "train-dark-1.wav").write_bytes(b"")
    rows = evaluate_folder(tmp_path / "lake", worse, "zero-shot", "linear")
    zero_shot, probed = figure(rows, "zero-shot", "roc_auc"), figure(rows, "linear", "roc_auc")
    assert (zero_shot["expected"], zero_shot["embedded"], zero_shot["coverage"]) == (12, 10, 10 / 12)
    assert (probed["expected"], probed["embedded"], probed["coverage"]) == (
        36,
        33,
        10 / 12,
    )  # the test split lacks most
    assert zero_shot["partial"]
    assert probed["partial"]
    table = run("--lake", tmp_path / "lake", "leaderboard").stdout
    assert "10 of 12: partial" in table
    check = run_json(tmp_path / "lake", "benchmarks", "check", "folder", "--data", worse, code=1)
    assert {row["path"]: row["what"].split(":")[0] for row in check["problems"]} == {
        "test-dark-0.wav": "missing audio",
        "test-dark-1.wav": "unrecognised",
        "train-dark-1.wav": "empty audio",
    }


def test_an_official_layout_from_check_to_leaderboard(tmp_path):
    data, lake = write_gtzan(tmp_path / "gtzan"), tmp_path / "lake"
    check = run_json(lake, "benchmarks", "check", "gtzan", "--data", data, code=1)
    assert check["clips"] == 36
    assert {row["what"].split(":")[0] for row in check["problems"]} == {"differs from revision 07e85575"}
    rows = run_json(lake, "evaluate", "gtzan", "--data", data, "--protocol", "mlp", "--protocol", "zero-shot")
    assert figure(rows, "mlp", "accuracy")["value"] == 1.0
    board = run_json(lake, "leaderboard", "--benchmark", "gtzan")
    own_rows = [row for row in board if not row["published"]]
    assert {row["protocol"] for row in own_rows} == {"mlp", "zero-shot"}
    published = [row for row in board if row["published"] and row["protocol"] == "zero-shot"]
    assert max(row["figures"]["accuracy"]["value"] for row in published) > 0.85
    assert all(row["source"] for row in published)


def test_max_windows_and_features_are_other_questions(evaluated):
    lake, folder, rows = evaluated
    few = evaluate_folder(lake, folder, "zero-shot", max_windows=1)
    assert few[0]["max_windows"] == 1
    assert few[0]["embedding_version"] != rows[0]["embedding_version"]
    features = evaluate_folder(lake, folder, "linear", inputs="features")
    assert features[0]["inputs"] == "features"
    assert features[0]["evaluation_id"] != figure(rows, "linear", "roc_auc")["evaluation_id"]


def test_on_object_storage(evaluated, s3_bucket, tmp_path):
    _, folder, rows = evaluated
    stored = evaluate_folder(f"{s3_bucket}/lake", folder, "zero-shot", "tag-retrieval")
    assert figure(stored, "zero-shot", "roc_auc")["value"] == figure(rows, "zero-shot", "roc_auc")["value"]
    assert {board["system"] for board in run_json(f"{s3_bucket}/lake", "leaderboard")} == {"fake"}
    run("--lake", f"{s3_bucket}/lake", "report", "--out", tmp_path / "page")
    assert "zero-shot" in (tmp_path / "page" / "index.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("evaluate", "gtzan"), "--data"),
        (("evaluate", "gtzam", "--data", "."), "did you mean gtzan"),
        (("evaluate", "folder", "--data", "/no/such/folder"), "no such folder"),
        (("evaluate", "gtzan", "--data", "{empty}"), "train_filtered.txt"),
        (("evaluate", "folder", "--data", "{folder}", "--protocol", "knn"), "there are zero-shot"),
        (("evaluate", "folder", "--data", "{folder}", "--prompt", "music"), "{}"),
        (
            ("evaluate", "folder", "--data", "{folder}", "--max-windows", "0"),
            "--max-windows takes all or a number from 1",
        ),
        (("evaluate", "folder", "--data", "{folder}", "--inputs", "words"), "vectors or features"),
        (("evaluate", "folder", "--data", "{folder}", "--encoder", "nobody"), "no encoder is named"),
        (("leaderboard",), "nothing was judged"),
        (("leaderboard", "--benchmark", "nothing"), "no benchmark named"),
        (("report", "--out", "{empty}"), "nothing was judged"),
        (("benchmarks", "check", "gtzan"), "--data"),
    ],
)
def test_wrong_usage_is_one_line(evaluated, tmp_path, arguments, words):
    _, folder, _ = evaluated
    paths = {"{empty}": str(tmp_path), "{folder}": str(folder)}
    assert words in error_line("--lake", tmp_path / "lake", *[paths.get(argument, argument) for argument in arguments])


def test_the_list_of_benchmarks():
    rows = run_json("nowhere", "benchmarks")
    assert {"gtzan", "rendered", "folder"} <= {row["name"] for row in rows}
    assert all(row["licence"] and row["citation"] and row["revision"] and row["main_metric"] for row in rows)
