"""ConSE's vectors beside those of a trained head, as one vector of two parts.

A head knows the sounds of words that it was trained with, and little of others. ConSE knows a little of any word, and
of its tagger's tags what the tagger heard in recordings. A text decides how much each part counts. In numpy, so that a
search imports no torch.

Source: M. Norouzi et al., "Zero-Shot Learning by Convex Combination of Semantic Embeddings" (ICLR 2014), for ConSE's
vectors; the two parts are ours.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from schemas.errors import UserError
from workers.encoders.base.torch_encoder import normalise_rows

# The length of ConSE's part in a track's vector (root mean square over the training clips); that of the head's is 1.
LENGTH = 0.7
BASIS, MEAN, SCALE = "conse.basis", "conse.mean", "conse.scale"
_MULTIPLE = 8
_LEAST_DEVIATION = 1e-6
_WORD = re.compile(r"[^\W_]+")


def split_words(text: str) -> list[str]:
    """Return the words of a text in lower case."""
    return _WORD.findall(text.lower())


def fit_conse_part(tag_vectors: np.ndarray, conse_vectors: np.ndarray) -> dict[str, np.ndarray]:
    """Return what `put_conse_beside` needs: an orthonormal basis, the mean and the scale of ConSE's vectors.

    `tag_vectors` [tags, text] are those that ConSE sums, `conse_vectors` [N, text] those of the training clips. The
    basis [text, part] spans the tags; its columns are a multiple of eight, as the vector index wants, so the last ones
    may be zeros. Mean [part] and scale [1] are in this basis. Raises UserError if all clips have one vector.
    """
    _, _, directions = np.linalg.svd(tag_vectors.astype(np.float64), full_matrices=False)
    basis = np.pad(directions.T, ((0, 0), (0, -len(directions) % _MULTIPLE)))
    parts = conse_vectors.astype(np.float64) @ basis
    mean = parts.mean(axis=0)
    deviation = np.sqrt(np.square(parts - mean).sum(axis=1).mean(keepdims=True))
    if deviation[0] < _LEAST_DEVIATION:
        raise UserError("conse_weight needs training clips that differ: all have the same tags")
    fitted = {BASIS: basis, MEAN: mean, SCALE: LENGTH / deviation}
    return {name: np.ascontiguousarray(value, np.float32) for name, value in fitted.items()}


def put_conse_beside(
    head_vectors: np.ndarray, conse_vectors: np.ndarray, weights: Mapping[str, np.ndarray]
) -> np.ndarray:
    """Join both parts of each track's vector.

    Unit vectors [N, dim] and [N, text] -> unit vectors [N, dim + part]. ConSE's part lacks the mean over the training
    clips, which says nothing about a track.
    """
    conse_part = (conse_vectors @ weights[BASIS] - weights[MEAN]) * weights[SCALE]
    return normalise_rows(np.hstack([head_vectors, conse_part]))


@dataclass(frozen=True, slots=True)
class ConseWeights:
    """How much ConSE counts in a text, from 0 to 1.

    `known`: in a text of `words`, which training had. `new`: in a text of other words; between them it counts by the
    share of new words. `tag`: in a text that is one of `tags`, if that is more.
    """

    known: float
    tag: float
    new: float
    words: frozenset[str]
    tags: frozenset[str]

    def of(self, text: str) -> float:
        """Return the weight in a text."""
        words = split_words(text)
        share_of_new = sum(word not in self.words for word in words) / len(words) if words else 0.0
        weight = self.known + (self.new - self.known) * share_of_new
        return max(weight, self.tag) if " ".join(words) in self.tags else weight


class ConseTextTower:
    """A TextTower for vectors of both parts.

    `read_texts` maps texts to unit vectors [N, text], and `project` these to unit vectors of the head's space.
    `prompt` is what ConSE reads, with {} in place of the text.
    """

    def __init__(
        self,
        read_texts: Callable[[list[str]], np.ndarray],
        project: Callable[[np.ndarray], np.ndarray],
        prompt: str,
        basis: np.ndarray,
        weights: ConseWeights,
    ) -> None:
        self._read_texts, self._project, self._prompt = read_texts, project, prompt
        self._basis, self._weights = basis, weights

    def embed_text(self, texts: list[str]) -> np.ndarray:
        weights = np.array([self._weights.of(text) for text in texts], np.float32)[:, None]
        # One call for both, because a text alone takes nearly as long as two.
        vectors = self._read_texts([*texts, *(self._prompt.format(text) for text in texts)])
        head_part, conse_part = self._project(vectors[: len(texts)]), vectors[len(texts) :] @ self._basis
        return normalise_rows(np.hstack([(1 - weights) * head_part, weights * conse_part / np.float32(LENGTH)]))
