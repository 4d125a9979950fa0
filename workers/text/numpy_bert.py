"""BERT in numpy. Importing torch would take longer than the rest of a search.

hidden = NumpyBert(to_torch_names(load_file("model.safetensors"), np.concatenate), heads=12)([[101, 102]])
"""

from collections.abc import Mapping, Sequence

import numpy as np

from workers.text.bert_weights import count_layers


class NumpyBert:
    """Texts as tokens -> the hidden states of each, float32.

    It computes what `Bert` does in eval mode. `weights` are float32, under torch's names.
    Source: J. Devlin et al., "BERT" (2019).
    """

    def __init__(self, weights: Mapping[str, np.ndarray], heads: int, epsilon: float = 1e-12) -> None:
        self._weights, self._heads, self._epsilon = weights, heads, epsilon
        self._layers = count_layers(weights)

    def __call__(self, texts: Sequence[Sequence[int]]) -> list[np.ndarray]:
        """Compute the hidden states [T, dim] of texts of T tokens each, at least one."""
        lengths = np.array([len(text) for text in texts])
        is_token = np.arange(lengths.max()) < lengths[:, None]  # [N, longest T]
        # All that happens to one token alone is computed for all tokens in one product [sum of T, dim].
        hidden = self._weights["words.weight"][np.concatenate(texts)]
        hidden = self._normalise("norm", hidden + self._weights["places.weight"][np.nonzero(is_token)[1]])
        for layer in range(self._layers):
            prefix = f"layers.{layer}."
            attended = self._attend(f"{prefix}self_attn.", hidden, is_token)
            hidden = self._normalise(f"{prefix}norm1", hidden + attended)
            inner = gelu(self._project(f"{prefix}linear1.", hidden))
            hidden = self._normalise(f"{prefix}norm2", hidden + self._project(f"{prefix}linear2.", inner))
        return np.split(hidden, np.cumsum(lengths)[:-1])

    def _attend(self, prefix: str, hidden: np.ndarray, is_token: np.ndarray) -> np.ndarray:
        """Apply attention within each text: what fills up shorter texts gets no weight."""
        dim = hidden.shape[1]
        projected = np.zeros((*is_token.shape, 3 * dim), np.float32)
        projected[is_token] = self._project(f"{prefix}in_proj_", hidden)
        heads = projected.reshape(*is_token.shape, 3, self._heads, dim // self._heads)
        query, key, value = heads.transpose(2, 0, 3, 1, 4)
        scores = query @ key.swapaxes(2, 3) / np.float32(np.sqrt(dim // self._heads))  # [N, heads, T, T]
        scores = np.where(is_token[:, None, None, :], scores, np.float32(-np.inf))
        scores = np.exp(scores - scores.max(axis=3, keepdims=True))
        mixed = scores / scores.sum(axis=3, keepdims=True) @ value
        return self._project(f"{prefix}out_proj.", mixed.swapaxes(1, 2)[is_token].reshape(-1, dim))

    def _project(self, name: str, rows: np.ndarray) -> np.ndarray:
        return rows @ self._weights[f"{name}weight"].T + self._weights[f"{name}bias"]

    def _normalise(self, name: str, rows: np.ndarray) -> np.ndarray:
        return normalise_layer(rows, self._weights[f"{name}.weight"], self._weights[f"{name}.bias"], self._epsilon)


def normalise_layer(rows: np.ndarray, weight: np.ndarray, bias: np.ndarray, epsilon: float = 1e-5) -> np.ndarray:
    """Apply layer normalisation to rows [N, dim]; `epsilon` is torch's default."""
    centred = rows - rows.mean(axis=1, keepdims=True)
    variance = np.square(centred).mean(axis=1, keepdims=True)
    return centred / np.sqrt(variance + np.float32(epsilon)) * weight + bias


# erf(x) = x * P(x^2) / Q(x^2) for |x| <= 4, within 2e-7: numpy has no erf, and importing scipy.special takes 0.15 s.
# Coefficients of Eigen's float32 erf, the highest power first.
_NUMERATOR = (
    *(-2.72614225801306e-10, 2.77068142495902e-08, -2.10102402082508e-06, -5.69250639462346e-05),
    *(-7.34990630326855e-04, -2.95459980854025e-03, -1.60960333262415e-02),
)
_DENOMINATOR = (
    *(-1.45660718464996e-05, -2.13374055278905e-04, -1.68282697438203e-03, -7.37332916720468e-03),
    -1.42647390514189e-02,
)


def gelu(x: np.ndarray) -> np.ndarray:
    """Apply the exact GELU: x * (1 + erf(x / sqrt 2)) / 2."""
    clipped = np.clip(x * np.float32(np.sqrt(0.5)), -4, 4)
    square = clipped * clipped
    erf = clipped * _evaluate(_NUMERATOR, square) / _evaluate(_DENOMINATOR, square)
    return x * (np.float32(0.5) + np.float32(0.5) * erf)


def _evaluate(coefficients: tuple[float, ...], x: np.ndarray) -> np.ndarray:
    """Evaluate a polynomial by Horner's rule; the highest power comes first."""
    total = np.full_like(x, coefficients[0])
    for coefficient in coefficients[1:]:
        total *= x
        total += np.float32(coefficient)
    return total
