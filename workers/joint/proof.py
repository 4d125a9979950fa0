"""A trained encoder's items on clips it was not trained on, by the project's own protocols.

proven(clips, vectors, tower, spec.prompt)["tag-retrieval"]
"""

from dataclasses import replace

import numpy as np

from schemas.benchmarks import Clip
from workers.encoders.protocol import TextTower
from workers.protocols.asking import sentence_retrieval, tag_retrieval, zero_shot
from workers.protocols.items import Items


def proven(clips: list[Clip], vectors: np.ndarray, tower: TextTower, prompt: str) -> dict[str, Items]:
    """What each protocol found for clips with vectors [N, dim]; of sentences only where clips have some.

    "all-tags-retrieval" asks with all tags of a clip in a row, which Doh et al. call the sentence query.
    """
    names = tuple(sorted({tag for clip in clips for tag in clip.labels}))
    in_a_row = [replace(clip, captions=(", ".join(clip.labels),)) for clip in clips]
    found: dict[str, Items] = {
        "tag-retrieval": tag_retrieval(clips, vectors, names, tower, prompt),
        "all-tags-retrieval": sentence_retrieval(in_a_row, vectors, tower),
        "zero-shot": zero_shot(clips, vectors, names, "multilabel", tower, prompt),
    }
    if any(clip.captions for clip in clips):
        found["sentence-retrieval"] = sentence_retrieval(clips, vectors, tower)
    return found
