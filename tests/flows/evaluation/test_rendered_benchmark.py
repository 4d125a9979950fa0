"""The benchmark that runs anywhere, with the default encoder: rendered, embedded, zero-shot and probes."""

import pytest

from tests.cli import run_json

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    root = tmp_path_factory.mktemp("rendered-benchmark")
    return run_json(
        root / "lake", "evaluate", "rendered", "rendered-instruments", "--data", root / "clips", encoder="musicnn"
    )


def value(rows, benchmark, protocol, metric):
    (number,) = [
        row["value"]
        for row in rows
        if (row["benchmark"], row["protocol"], row["metric"]) == (benchmark, protocol, metric)
    ]
    return number


def test_every_clip_is_evaluated(rows):
    assert {(row["benchmark"], row["expected"], row["coverage"]) for row in rows if row["protocol"] == "mlp"} == {
        ("rendered", 480, 1.0),
        ("rendered-instruments", 320, 1.0),
    }


def test_the_default_encoder_knows_instruments_and_words(rows):
    """The limits are well above chance (1 in 40, 0.5, 10 in 180) and loose: other machines round differently."""
    assert value(rows, "rendered-instruments", "mlp", "accuracy") > 0.55
    assert value(rows, "rendered", "mlp", "roc_auc") > 0.88
    assert value(rows, "rendered", "linear", "roc_auc") > 0.85
    assert value(rows, "rendered", "zero-shot", "roc_auc") > 0.7
    assert value(rows, "rendered", "sentence-retrieval", "recall@10") > 0.45
