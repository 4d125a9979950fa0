"""Zero-shot and retrieval, by hand: a tower whose texts point along the axes."""

import numpy as np
import pyarrow.parquet as pq
import pytest

from schemas.benchmarks import Clip
from workers.evaluation.predictions import from_table
from workers.evaluation.scoring import dropped, measure
from workers.evaluation.zero_shot_retrieval import label_matrix, sentence_retrieval, tag_retrieval, zero_shot

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
    items = zero_shot(CLIPS, VECTORS, NAMES, "multilabel", AxisTower(), "{}")
    np.testing.assert_allclose(items.scores, VECTORS[:, [2, 0, 1]])
    assert items.truth.tolist() == label_matrix(CLIPS, NAMES).tolist() == [[0, 1, 0], [0, 1, 1], [0, 0, 1]]


def test_a_prompt_is_what_is_embedded():
    only_jazz = [Clip("a", "a.wav", "test", ("jazz",)), Clip("b", "b.wav", "test")]
    items = zero_shot(only_jazz, VECTORS[:2], ("jazz",), "multilabel", AxisTower(), "music with {}")
    np.testing.assert_allclose(items.scores[:, 0], VECTORS[:2, 1])


def test_a_class_without_positives_is_dropped_and_told():
    items = zero_shot(CLIPS, VECTORS, NAMES, "multilabel", AxisTower(), "{}")
    assert dropped(items, NAMES) == ("choir",)
    # jazz: a 1.0, b .6 above c .8? one of two pairs right; rock: b .8, c .6 above a 0: both pairs right
    assert measure(items)["roc_auc"] == pytest.approx((0.5 + 1.0) / 2)


def test_tag_retrieval_asks_only_for_tags_that_a_clip_has():
    items = tag_retrieval(CLIPS, VECTORS, NAMES, AxisTower(), "{}")
    assert items.queries == ("jazz", "rock")
    assert dropped(items, NAMES) == ("choir",)  # told, not left out without a word
    assert items.relevant == (("a", "b"), ("b", "c"))
    assert items.values["rank"].tolist() == [1.0, 1.0]
    assert items.values["recall@1"].tolist() == [0.5, 0.5]
    # jazz ranks a 1, c 2, b 3: precisions 1/1 and 2/3 over two relevant clips
    assert items.values["map@10"].tolist() == pytest.approx([(1 + 2 / 3) / 2, 1.0])


def test_a_sentence_of_two_clips_is_one_query_and_the_gallery_holds_clips_with_sentences():
    items = sentence_retrieval(CLIPS, VECTORS, AxisTower())
    assert items.queries == ("a slow waltz", "loud guitars")
    assert items.relevant == (("a", "b"), ("b",))
    assert items.gallery == 2
    assert items.values["recall@5"].tolist() == [1.0, 1.0]


@pytest.mark.parametrize("protocol", [tag_retrieval, zero_shot, sentence_retrieval])
def test_items_come_back_from_parquet_as_they_were(protocol, tmp_path):
    more = {tag_retrieval: (NAMES,), zero_shot: (NAMES, "multilabel"), sentence_retrieval: ()}[protocol]
    prompt = () if protocol is sentence_retrieval else ("{}",)
    items = protocol(CLIPS, VECTORS, *more, AxisTower(), *prompt)
    pq.write_table(items.to_table(), tmp_path / "items.parquet")
    back = from_table(pq.read_table(tmp_path / "items.parquet"))
    assert back.ids == items.ids
    assert {name: float(value) for name, value in measure(back).items()} == {
        name: float(value) for name, value in measure(items).items()
    }
