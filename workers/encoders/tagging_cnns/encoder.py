"""Common parts of the tagging CNNs of Won et al.: weights, specs and the encoder.

The networks are by several authors. Won et al. trained them all in the same way and published code and weights in
minzwon/sota-music-tagging-models.
"""

from functools import partial
from pathlib import Path

import numpy as np

from schemas.audio import WindowSpec
from schemas.encoders import BackboneSpec, EncoderSpec, HeadSpec, TaggerSpec
from workers.encoders.base.registration import EncoderRegistration
from workers.encoders.base.torch_encoder import TorchEncoder, normalise_rows
from workers.weights.cache import weights_folder
from workers.weights.sources import UrlSource

SAMPLE_RATE = 16_000

_REPOSITORY = "https://github.com/minzwon/sota-music-tagging-models/raw"
# The repository's predict.py loads models/mtat/{fcn,crnn,sample,hcnn}/best_model.pth. The files could not be seen.
MTAT_COMMIT = "267158811b940a0ec431b2d1d8844d4e187ea02a"
_EVALUATION = (
    "M. Won, A. Ferraro, D. Bogdanov and X. Serra, Evaluation of CNN-based automatic music tagging models, SMC 2020"
)


def tagging_source(name: str, folder: str, commit: str = MTAT_COMMIT) -> UrlSource:
    """Return the source of the weights in a folder of the authors' repository."""
    return UrlSource(name, f"{_REPOSITORY}/{commit}/models/{folder}/best_model.pth")


def tagging_spec(
    source: UrlSource, window: int, layer: str, dim: int, paper: str, vocabulary: tuple[str, ...]
) -> EncoderSpec:
    """Return the spec of one of the networks.

    Its head is not "identity", so that the lake stores features: tags are computed from features, not from unit
    vectors.
    """
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


def tagging_registration(spec: EncoderSpec, source: UrlSource, realtime_factor: float) -> EncoderRegistration:
    """Return the registration of one of the networks."""
    return EncoderRegistration(spec, partial(TaggingCnn, source), None, (source,), realtime_factor, on_gpu=True)


class TaggingCnn(TorchEncoder):
    """An Encoder: the network below its last layer, with that layer as the tagger.

    The authors average probabilities over a track's windows. Here the features are averaged and give one probability
    per tag, so that tags need no audio. For a track of one window both are equal.
    """

    def __init__(self, source: UrlSource, spec: EncoderSpec, models: Path) -> None:
        from workers.encoders.tagging_cnns.nets import build_net, read_weights

        weights = read_weights(weights_folder(source, models) / "best_model.pth")
        super().__init__(spec, build_net(spec.model, weights))
        last = "dense2" if "dense2.weight" in weights else "dense"
        self._slopes, self._offsets = (weights[f"{last}.{name}"].double().numpy() for name in ("weight", "bias"))

    def project(self, features: np.ndarray) -> np.ndarray:
        features = _as_stored(features)
        features[~features.any(axis=1)] = 1  # all 0 behind a ReLU: any direction will do, but always the same
        return normalise_rows(features)

    def tag(self, features: np.ndarray) -> np.ndarray:
        logits = _as_stored(features) @ self._slopes.T + self._offsets
        return ((1 + np.tanh(logits / 2)) / 2).astype(np.float32)


def _as_stored(features: np.ndarray) -> np.ndarray:
    """Round features as the lake stores them.

    Features from audio and from the lake then give the same vectors and tags.
    """
    return features.astype(np.float16).astype(np.float32)
