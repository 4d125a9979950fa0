"""Figures of a trained encoder: words that it was trained on, and words that it never met."""

import numpy as np

from schemas.benchmarks import Clip
from workers.joint.held_out_evaluation import proven

AXES = {"flute": 0, "drums": 1, "banjo": 2}


class Axes:
    """A TextTower: each known word in a text is an axis."""

    def embed_text(self, texts):
        rows = np.array([[word in text for word in AXES] for text in texts], np.float32) + 1e-6
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def clip(number, *labels):
    return Clip(f"{number}", f"{number}.wav", "test", labels, captions=(f"a piece with {labels[0]}, {number}",))


def test_words_never_trained_are_asked_for_apart():
    clips = [clip(0, "flute"), clip(1, "drums"), clip(2, "banjo", "drums"), clip(3, "flute", "drums")]
    vectors = Axes().embed_text([" ".join(one.labels) for one in clips])
    found = proven(clips, vectors, Axes(), "{}", ("drums", "flute"))
    assert found["zero-shot"].names == ("drums", "flute")
    assert found["zero-shot"].ids == ("0", "1", "3")
    assert found["unseen-words"].names == ("banjo",)
    assert found["unseen-words"].ids == ("0", "1", "2", "3")
    assert found["unseen-words"].truth[:, 0].tolist() == [False, False, True, False]
    assert found["unseen-words"].scores[:, 0].argmax() == 2
    assert len(found["sentence-retrieval"].queries) == 3
    (unseen,) = proven([clip(0, "banjo")], vectors[2:3], Axes(), "{}", ("drums", "flute")).items()
    assert unseen[0] == "unseen-words", "where no clip has known words alone, nothing else can be asked"
    assert "unseen-words" not in proven(clips[:2], vectors[:2], Axes(), "{}", ("drums", "flute"))
