"""What the tagging CNNs of Won et al. share: where their weights come from, how they are declared, the encoder.

Networks of several authors, trained alike and published, code and weights, in minzwon/sota-music-tagging-models.
"""

from functools import partial
from pathlib import Path

import numpy as np

from schemas.audio import WindowSpec
from schemas.encoders import BackboneSpec, EncoderSpec, HeadSpec, TaggerSpec
from workers.encoders.base.registration import Entry
from workers.encoders.base.torch_encoder import NetEncoder, unit
from workers.weights.cache import UrlSource, weights_folder

SAMPLE_RATE = 16_000

_REPOSITORY = "https://github.com/minzwon/sota-music-tagging-models/raw"
# Its predict.py loads models/mtat/{fcn,crnn,sample,hcnn}/best_model.pth. The files themselves could not be seen.
MTAT_COMMIT = "267158811b940a0ec431b2d1d8844d4e187ea02a"
_EVALUATION = (
    "M. Won, A. Ferraro, D. Bogdanov and X. Serra, Evaluation of CNN-based automatic music tagging models, SMC 2020"
)


def published(name: str, folder: str, commit: str = MTAT_COMMIT) -> UrlSource:
    """The weights in a folder of the authors' repository."""
    return UrlSource(name, f"{_REPOSITORY}/{commit}/models/{folder}/best_model.pth")


def tagging_spec(
    source: UrlSource, window: int, layer: str, dim: int, paper: str, vocabulary: tuple[str, ...]
) -> EncoderSpec:
    """A network of theirs. The head keeps features, because tags are computed from those and not from unit vectors."""
    return EncoderSpec(
        name=source.name,
        licence="MIT",
        citation=f"{paper}; as trained by {_EVALUATION}",
        backbone=BackboneSpec(
            weights_sha256=source.sha256(),
            windows=WindowSpec(sample_rate=SAMPLE_RATE, window=window, hop=window),
            layer=layer,
            pooling="mean over windows",
            dim=dim,
        ),
        head=HeadSpec(kind="normalised", dim=dim),
        tagger=TaggerSpec(vocabulary=vocabulary, threshold=0.2),
    )


def tagging_entry(spec: EncoderSpec, source: UrlSource, realtime_factor: float) -> Entry:
    load = partial(TaggingCnn, source)
    return Entry(spec, load, None, weights=(source,), realtime_factor=realtime_factor, on_gpu=True)


class TaggingCnn(NetEncoder):
    """An Encoder: the network below its last layer, and that layer as the tagger.

    The authors average probabilities over a track's windows; here the features are averaged and one probability is
    computed from them, so that tags need no audio. The two are equal for a track of one window.
    """

    def __init__(self, source: UrlSource, spec: EncoderSpec, models: Path) -> None:
        from workers.encoders.tagging_cnns.nets import net_of, read_weights

        weights = read_weights(weights_folder(source, models) / "best_model.pth")
        super().__init__(spec, net_of(spec.model, weights))
        last = "dense2" if "dense2.weight" in weights else "dense"
        self._slopes, self._offsets = (weights[f"{last}.{name}"].double().numpy() for name in ("weight", "bias"))

    def project(self, features: np.ndarray) -> np.ndarray:
        features = _as_stored(features)
        features[~features.any(axis=1)] = 1  # no unit of a rectified layer answered: any direction, but one
        return unit(features)

    def tag(self, features: np.ndarray) -> np.ndarray:
        logits = _as_stored(features) @ self._slopes.T + self._offsets
        return ((1 + np.tanh(logits / 2)) / 2).astype(np.float32)


def _as_stored(features: np.ndarray) -> np.ndarray:
    """Rounded as the lake keeps them: from stored features come the very vectors and tags that came from the audio."""
    return features.astype(np.float16).astype(np.float32)
