"""`tonelake evaluate` as a user runs it: a folder of one's own, an official layout, what is missing, what changed."""

import json
import shutil

import pyarrow.parquet as pq
import pytest
import ray

from lake.benchmarks.results import read_items
from lake.storage.lake import Lake
from schemas.settings import S3Settings
from tests.cli import answer, refused, run
from tests.flows.labelled import gtzan, judge, labelled_folder, read_labels, write_labels
from workers.encoders.registry import ENCODERS
from workers.evaluation.predictions import Retrieved, from_table

PROTOCOLS = {"zero-shot", "tag-retrieval", "sentence-retrieval", "linear", "mlp"}


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    """A lake, a labelled folder, and the rows of judging the fake encoder on it."""
    root = tmp_path_factory.mktemp("evaluate")
    folder = labelled_folder(root / "clips")
    yield root / "lake", folder, answer(root / "lake", "evaluate", "folder", "--data", folder)
    ray.shutdown()


def figure(rows, protocol, metric):
    (found,) = [row for row in rows if (row["protocol"], row["metric"]) == (protocol, metric)]
    return found


def test_every_protocol_that_fits_is_judged(judged):
    _, _, rows = judged
    assert {row["protocol"] for row in rows} == PROTOCOLS
    assert {row["coverage"] for row in rows} == {1.0}
    assert not any(row["partial"] for row in rows)
    assert sum(row["is_main"] for row in rows) == len(PROTOCOLS)
    assert all(row["low"] <= row["value"] <= row["high"] for row in rows if row["metric"] != "ece")
    assert all(row["low"] is None for row in rows if row["metric"] == "ece")
    assert {row["resamples"] for row in rows} == {1000}


def test_a_row_says_what_the_figure_depends_on(judged):
    _, _, rows = judged
    row = figure(rows, "mlp", "roc_auc")
    assert row["embedding_version"] == ENCODERS["fake"].spec.embedding_version
    assert len(row["split_hash"]) == 12
    assert row["chunks"] is None
    assert (row["expected"], row["embedded"]) == (36, 36)
    assert json.loads(row["chosen"])["batch"] in (16, 64, 512)
    assert len(json.loads(row["parameters"])["probes"]) == 12
    assert row["dropped"] == ["tone"]  # every clip has it
    assert figure(rows, "zero-shot", "roc_auc")["prompt"] == "{}"


def test_the_probes_learn_what_the_encoder_hears(judged):
    _, _, rows = judged
    assert figure(rows, "linear", "roc_auc")["value"] == 1.0
    assert figure(rows, "mlp", "roc_auc")["value"] == 1.0


def test_items_stand_in_parquet_beside_the_table(judged):
    lake, _, rows = judged
    row = figure(rows, "mlp", "roc_auc")
    table = pq.read_table(lake / "evaluations" / f"{row['evaluation_id']}.parquet")
    items = from_table(table)
    assert len(items.ids) == 12
    assert set(items.names) == {"bright", "dark", "tone"}
    sentences = figure(rows, "sentence-retrieval", "recall@10")
    asked = from_table(read_items(Lake.at(str(lake), S3Settings()), sentences["evaluation_id"]))
    assert isinstance(asked, Retrieved)
    assert (asked.queries, asked.gallery, len(asked.relevant[0])) == (("a dark tone",), 6, 6)


def test_nothing_is_computed_again_that_has_not_changed(judged):
    lake, folder, rows = judged
    again = answer(lake, "evaluate", "folder", "--data", folder)
    assert all(row["unchanged"] for row in again)
    assert [row["at"] for row in again] == [row["at"] for row in rows]


def test_the_leaderboard_follows_the_data_back_and_forth(judged, tmp_path):
    _, folder, _ = judged
    clips, lake = tmp_path / "clips", tmp_path / "lake"
    shutil.copytree(folder, clips)
    kept = (clips / "test-dark-0.wav").read_bytes()
    seen = []
    for content in (kept, b"", kept):
        (clips / "test-dark-0.wav").write_bytes(content)
        judge(lake, clips, "sentence-retrieval")
        (board,) = answer(lake, "leaderboard")
        seen.append((board["embedded"], board["expected"], board["partial"]))
    assert seen == [(6, 6, False), (5, 6, True), (6, 6, False)]  # of the six clips that have a caption


def test_captions_alone_are_enough(tmp_path):
    folder = labelled_folder(tmp_path / "clips")
    write_labels(folder, [row | {"tags": ""} for row in read_labels(folder)])
    assert {row["protocol"] for row in judge(tmp_path / "lake", folder)} == {"sentence-retrieval"}


def test_clips_never_show_in_the_catalogue(judged, rendered):
    lake, _, _ = judged
    assert "no lake" in refused("--lake", lake, "status")
    report = answer(lake, "index", rendered / "manifest.csv")
    assert report["expected"] == 6
    (counts,) = answer(lake, "status")["encoders"]
    assert (counts["expected"], counts["embedded"]) == (6, 6)
    assert len(answer(lake, "search", "dark", "-k", "50")) == 6


def test_other_labels_are_another_split_and_cost_no_decoding(judged, capfd):
    lake, folder, rows = judged
    labels = read_labels(folder)
    write_labels(folder, [row | {"tags": row["tags"].replace("bright", "shrill")} for row in labels])
    renamed = judge(lake, folder, "zero-shot", "linear")
    write_labels(folder, labels)
    assert not any(row["unchanged"] for row in renamed)
    assert {row["split_hash"] for row in renamed}.isdisjoint({row["split_hash"] for row in rows})
    assert "everything is up to date" in capfd.readouterr().err  # no clip was embedded again


def test_missing_and_broken_clips_are_told_beside_the_score(judged, tmp_path):
    _, folder, _ = judged
    worse = tmp_path / "clips"
    shutil.copytree(folder, worse)
    (worse / "test-dark-0.wav").unlink()
    (worse / "test-dark-1.wav").write_bytes(b"<html>not found</html>" * 50)
    (worse / "train-dark-1.wav").write_bytes(b"")
    rows = judge(tmp_path / "lake", worse, "zero-shot", "linear")
    asked, probed = figure(rows, "zero-shot", "roc_auc"), figure(rows, "linear", "roc_auc")
    assert (asked["expected"], asked["embedded"], asked["coverage"]) == (12, 10, 10 / 12)
    assert (probed["expected"], probed["embedded"], probed["coverage"]) == (
        36,
        33,
        10 / 12,
    )  # the test split lacks most
    assert asked["partial"]
    assert probed["partial"]
    shown = run("--lake", tmp_path / "lake", "leaderboard").stdout
    assert "10 of 12: partial" in shown
    found = answer(tmp_path / "lake", "benchmarks", "check", "folder", "--data", worse, code=1)
    assert {row["path"]: row["what"].split(":")[0] for row in found["problems"]} == {
        "test-dark-0.wav": "missing audio",
        "test-dark-1.wav": "unrecognised",
        "train-dark-1.wav": "empty audio",
    }


def test_an_official_layout_from_check_to_leaderboard(tmp_path):
    data, lake = gtzan(tmp_path / "gtzan"), tmp_path / "lake"
    found = answer(lake, "benchmarks", "check", "gtzan", "--data", data, code=1)
    assert found["clips"] == 36
    assert {row["what"].split(":")[0] for row in found["problems"]} == {"differs from revision 07e85575"}
    rows = answer(lake, "evaluate", "gtzan", "--data", data, "--protocol", "mlp", "--protocol", "zero-shot")
    assert figure(rows, "mlp", "accuracy")["value"] == 1.0
    board = answer(lake, "leaderboard", "--benchmark", "gtzan")
    ours = [row for row in board if not row["published"]]
    assert {row["protocol"] for row in ours} == {"mlp", "zero-shot"}
    published = [row for row in board if row["published"] and row["protocol"] == "zero-shot"]
    assert max(row["figures"]["accuracy"]["value"] for row in published) > 0.85
    assert all(row["source"] for row in published)


def test_chunks_and_features_are_other_questions(judged):
    lake, folder, rows = judged
    few = judge(lake, folder, "zero-shot", chunks=1)
    assert few[0]["chunks"] == 1
    assert few[0]["embedding_version"] != rows[0]["embedding_version"]
    features = judge(lake, folder, "linear", inputs="features")
    assert features[0]["inputs"] == "features"
    assert features[0]["evaluation_id"] != figure(rows, "linear", "roc_auc")["evaluation_id"]


def test_on_object_storage(judged, s3_bucket, tmp_path):
    _, folder, rows = judged
    kept = judge(f"{s3_bucket}/lake", folder, "zero-shot", "tag-retrieval")
    assert figure(kept, "zero-shot", "roc_auc")["value"] == figure(rows, "zero-shot", "roc_auc")["value"]
    assert {board["system"] for board in answer(f"{s3_bucket}/lake", "leaderboard")} == {"fake"}
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
        (("evaluate", "folder", "--data", "{folder}", "--chunks", "0"), "--chunks takes all or a number from 1"),
        (("evaluate", "folder", "--data", "{folder}", "--inputs", "words"), "vectors or features"),
        (("evaluate", "folder", "--data", "{folder}", "--encoder", "nobody"), "no encoder is named"),
        (("leaderboard",), "nothing was judged"),
        (("leaderboard", "--benchmark", "nothing"), "no benchmark named"),
        (("report", "--out", "{empty}"), "nothing was judged"),
        (("benchmarks", "check", "gtzan"), "--data"),
    ],
)
def test_wrong_usage_is_one_line(judged, tmp_path, arguments, words):
    _, folder, _ = judged
    places = {"{empty}": str(tmp_path), "{folder}": str(folder)}
    assert words in refused("--lake", tmp_path / "lake", *[places.get(argument, argument) for argument in arguments])


def test_the_list_of_benchmarks():
    rows = answer("nowhere", "benchmarks")
    assert {"gtzan", "rendered", "folder"} <= {row["name"] for row in rows}
    assert all(row["licence"] and row["citation"] and row["revision"] and row["main_metric"] for row in rows)
