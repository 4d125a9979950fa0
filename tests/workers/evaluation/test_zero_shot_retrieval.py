"""Zero-shot and retrieval, by hand, with a text tower whose vectors are the axes."""

import numpy as np
import pyarrow.parquet as pq
import pytest

from schemas.benchmarks import Clip
from workers.evaluation.predictions import from_table
from workers.evaluation.scoring import compute_metrics, dropped_names
from workers.evaluation.zero_shot_retrieval import (
    classify_zero_shot,
    label_matrix,
    retrieve_by_sentence,
    retrieve_by_tag,
)

AXES = {"jazz": 0, "rock": 1, "choir": 2, "a slow waltz": 0, "loud guitars": 1, "music with jazz": 1}


class AxisTower:
    def embed_text(self, texts):
        return np.eye(3, dtype=np.float32)[[AXES[text] for text in texts]]


CLIPS = [
    Clip("a", "a.wav", "test", ("jazz",), ("a slow waltz",)),
    Clip("b", "b.wav", "test", ("jazz", "rock"), ("loud guitars", "a slow waltz")),
    Clip("c", "c.wav", "test", ("rock",)),
]
VECTORS = np.array([[1, 0, 0], [0.6, 0.8, 0], [0.8, 0.6, 0]], np.float32)
NAMES = ("choir", "jazz", "rock")


def test_zero_shot_scores_are_cosines_with_the_prompted_names():
    predictions = classify_zero_shot(CLIPS, VECTORS, NAMES, "multilabel", AxisTower(), "{}")
    np.testing.assert_allclose(predictions.scores, VECTORS[:, [2, 0, 1]])
    assert predictions.truth.tolist() == label_matrix(CLIPS, NAMES).tolist() == [[0, 1, 0], [0, 1, 1], [0, 0, 1]]


def test_the_prompt_is_embedded():
    only_jazz = [Clip("a", "a.wav", "test", ("jazz",)), Clip("b", "b.wav", "test")]
    predictions = classify_zero_shot(only_jazz, VECTORS[:2], ("jazz",), "multilabel", AxisTower(), "music with {}")
    np.testing.assert_allclose(predictions.scores[:, 0], VECTORS[:2, 1])


def test_a_class_without_positives_is_dropped_and_reported():
    predictions = classify_zero_shot(CLIPS, VECTORS, NAMES, "multilabel", AxisTower(), "{}")
    assert dropped_names(predictions, NAMES) == ("choir",)
    # jazz: a 1.0, b .6 above c .8? one of two pairs right; rock: b .8, c .6 above a 0: both pairs right
    assert compute_metrics(predictions)["roc_auc"] == pytest.approx((0.5 + 1.0) / 2)


def test_tag_retrieval_queries_only_tags_that_a_clip_has():
    predictions = retrieve_by_tag(CLIPS, VECTORS, NAMES, AxisTower(), "{}")
    assert predictions.queries == ("jazz", "rock")
    assert dropped_names(predictions, NAMES) == ("choir",)  # reported, not silently left out
    assert predictions.relevant == (("a", "b"), ("b", "c"))
    assert predictions.values["rank"].tolist() == [1.0, 1.0]
    assert predictions.values["recall@1"].tolist() == [0.5, 0.5]
    # jazz ranks a 1, c 2, b 3: precisions 1/1 and 2/3 over two relevant clips
    assert predictions.values["map@10"].tolist() == pytest.approx([(1 + 2 / 3) / 2, 1.0])


def test_a_shared_caption_is_one_query_and_the_gallery_holds_clips_with_captions():
    predictions = retrieve_by_sentence(CLIPS, VECTORS, AxisTower())
    assert predictions.queries == ("a slow waltz", "loud guitars")
    assert predictions.relevant == (("a", "b"), ("b",))
    assert predictions.gallery == 2
    assert predictions.values["recall@5"].tolist() == [1.0, 1.0]


@pytest.mark.parametrize("protocol", [retrieve_by_tag, classify_zero_shot, retrieve_by_sentence])
def test_predictions_read_back_from_parquet(protocol, tmp_path):
    more = {retrieve_by_tag: (NAMES,), classify_zero_shot: (NAMES, "multilabel"), retrieve_by_sentence: ()}[protocol]
    prompt = () if protocol is retrieve_by_sentence else ("{}",)
    predictions = protocol(CLIPS, VECTORS, *more, AxisTower(), *prompt)
    pq.write_table(predictions.to_table(), tmp_path / "predictions.parquet")
    back = from_table(pq.read_table(tmp_path / "predictions.parquet"))
    assert back.ids == predictions.ids
    assert {name: float(value) for name, value in compute_metrics(back).items()} == {
        name: float(value) for name, value in compute_metrics(predictions).items()
    }
