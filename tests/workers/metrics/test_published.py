"""The mean over tags, against the figures that TTMR's authors published."""

import json
from pathlib import Path

import numpy as np
import pytest

from workers.metrics.tagging import macro, undefined_classes

FOLDER = Path(__file__).parents[4] / "shared/data/benchmarks/ttmr_results"
MACROS = {"roc_auc": ("roc_auc", "macro_roc"), "pr_auc": ("pr_auc", "macro_pr")}


def test_macros_are_the_means_of_their_tags():
    if not FOLDER.is_dir():
        pytest.skip(f"the authors' results are not in {FOLDER}")
    results = [json.loads(path.read_text()) for path in sorted(FOLDER.rglob("*results.json"))]
    tagged = [result for result in results if "tag_wise" in result]
    assert tagged
    for result in tagged:
        for metric, names in MACROS.items():
            stored = next(result[name] for name in names if name in result)
            per_tag = np.array([tag[metric] for tag in result["tag_wise"].values()])
            assert undefined_classes(per_tag, list(result["tag_wise"])) == ()
            assert macro(per_tag) == pytest.approx(stored, abs=1e-12)
