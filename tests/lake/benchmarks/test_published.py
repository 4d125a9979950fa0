"""published.csv holds what the TTMR repository's result files hold, and nothing without a source."""

import json
from pathlib import Path

import pytest

from lake.benchmarks.published import published
from lake.benchmarks.registry import BENCHMARKS

RESULTS = Path(__file__).parents[4] / "shared/data/benchmarks/ttmr_results"
PROTOCOLS = {"zero-shot", "tag-retrieval", "sentence-retrieval", "linear", "mlp", "marble", "supervised"}
KEYS = {
    "roc_auc": ("macro_roc", "roc_auc"),
    "pr_auc": ("macro_pr", "pr_auc"),
    "accuracy": ("acc",),
    "recall@1": ("R@1",),
    "recall@5": ("R@5",),
    "recall@10": ("R@10",),
    "map@10": ("mAP@10",),
    "median_rank": ("medRank",),
}
METRICS = {*KEYS, "r2_arousal", "r2_valence"}


def test_every_figure_has_its_place():
    figures = published()
    assert len({(one.benchmark, one.protocol, one.system, one.metric) for one in figures}) == len(figures)
    for one in figures:
        assert one.benchmark in BENCHMARKS
        assert one.protocol in PROTOCOLS
        assert one.metric in METRICS
        assert one.source
        assert one.metric == "median_rank" or 0 < one.value < 1


def test_figures_are_those_of_the_result_files():
    if not RESULTS.is_dir():
        pytest.skip(f"{RESULTS} is not here")
    read = set()
    for one in published():
        repository, _, place = one.source.partition(" mtr/")
        if repository.startswith("seungheondoh/music-text-representation@"):
            path = place.split(";")[0]
            result = json.loads((RESULTS / path).read_text())
            value = next(result[key] for key in KEYS[one.metric] if key in result)
            value += one.metric == "median_rank"  # theirs counts from 0
            assert one.value == pytest.approx(value, abs=5.001e-5), one
            read.add(path)
    assert read == {str(path.relative_to(RESULTS)) for path in RESULTS.rglob("*.json")}


def test_the_headline_figure_of_the_seed():
    found = {(one.benchmark, one.metric): one.value for one in published() if _headline(one)}
    assert found["msd-ecals", "recall@10"] == 0.428
    assert found["msd-ecals", "median_rank"] == 14  # 13 from 0 in the README
    assert found["mtat-codified", "roc_auc"] == 0.7841


def _headline(one):
    asked = one.protocol in ("zero-shot", "sentence-retrieval")
    return one.system == "TTMR contrastive BERT stochastic" and asked
