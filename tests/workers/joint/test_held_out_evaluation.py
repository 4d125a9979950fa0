"""Evaluation of a trained encoder: words that it was trained on, and words that training never saw."""

import numpy as np

from schemas.benchmarks import Clip
from workers.joint.held_out_evaluation import evaluate_held_out

AXES = {"flute": 0, "drums": 1, "banjo": 2}


class Axes:
    """A TextTower in which each known word of a text is an axis."""

    def embed_text(self, texts):
        rows = np.array([[word in text for word in AXES] for text in texts], np.float32) + 1e-6
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def make_clip(number, *labels):
    return Clip(f"{number}", f"{number}.wav", "test", labels, captions=(f"a piece with {labels[0]}, {number}",))


def test_unseen_words_are_evaluated_separately():
    clips = [
        make_clip(0, "flute"),
        make_clip(1, "drums"),
        make_clip(2, "banjo", "drums"),
        make_clip(3, "flute", "drums"),
    ]
    vectors = Axes().embed_text([" ".join(clip.labels) for clip in clips])
    predictions = evaluate_held_out(clips, vectors, Axes(), "{}", ("drums", "flute"))
    assert predictions["zero-shot"].names == ("drums", "flute")
    assert predictions["zero-shot"].ids == ("0", "1", "3")
    assert predictions["unseen-words"].names == ("banjo",)
    assert predictions["unseen-words"].ids == ("0", "1", "2", "3")
    assert predictions["unseen-words"].truth[:, 0].tolist() == [False, False, True, False]
    assert predictions["unseen-words"].scores[:, 0].argmax() == 2
    assert len(predictions["sentence-retrieval"].queries) == 3
    (unseen,) = evaluate_held_out([make_clip(0, "banjo")], vectors[2:3], Axes(), "{}", ("drums", "flute")).items()
    assert unseen[0] == "unseen-words", "without a clip of known words only, no other protocol applies"
    assert "unseen-words" not in evaluate_held_out(clips[:2], vectors[:2], Axes(), "{}", ("drums", "flute"))
