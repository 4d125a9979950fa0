"""An encoder from a folder that `tonelake train` wrote: `tonelake --encoder FOLDER index ...`."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from schemas.audio import WindowSpec
from schemas.encoders import BackboneSpec, EncoderSpec, HeadSpec
from schemas.errors import UserError
from schemas.training import MODEL_FILE, Cell, Trained
from workers.encoders.base.interface import TextTower
from workers.encoders.base.registration import Entry
from workers.encoders.base.torch_encoder import NetEncoder, unit
from workers.encoders.ttmr.encoder import SAMPLE_RATE, WINDOW
from workers.text.glove_weights import GLOVE_6B_50D
from workers.text.minilm_weights import MINILM
from workers.weights.cache import Source

if TYPE_CHECKING:
    from workers.encoders.joint.net import Joint

_TEXTS = {"glove": GLOVE_6B_50D, "bert": MINILM}
_AUDIO_FACTOR = 8.0  # as TTMR's: the same net


def read_trained(folder: Path) -> Trained:
    """What the folder's model.json tells; UserError where it is not one."""
    try:
        return Trained.from_json((folder / MODEL_FILE).read_text())
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise UserError(f"{folder / MODEL_FILE} is not of a trained encoder ({error}): train it again") from error


def trained_entry(folder: Path, trained: Trained, base: Entry | None) -> Entry:
    """`base` is the encoder whose features the head takes; None where the tower hears audio itself."""
    cell = trained.cell
    if base and base.spec.feature_version != trained.feature_version:
        raise UserError(
            f"{folder} was trained on features {trained.feature_version} of {trained.base}, this tonelake computes "
            f"{base.spec.feature_version}: train it again"
        )
    source = None if cell.framework == "classification" else _TEXTS[cell.text]
    spec = EncoderSpec(
        name=trained.name,
        licence=f"trained here on {base.spec.name}: {base.spec.licence}" if base else "trained here",
        citation="S. Doh, M. Won, K. Choi and J. Nam, Toward Universal Text-to-Music Retrieval, ICASSP 2023",
        backbone=base.spec.backbone if base else _own_backbone(trained),
        head=HeadSpec(
            kind="joint" if base else "identity",
            dim=trained.dim,
            weights_sha256=trained.weights_sha256,
            text_tower=source.name if source else "the trained tags",
            parameters=_parameters(cell, base, source),
        ),
        tagger=base.spec.tagger if base else None,
        base=(base.spec.base or base.spec.name) if base else "",
        folder=str(folder),
    )
    weights = base.weights if base else ()
    return Entry(
        spec,
        partial(_OnFeatures, folder, trained, base) if base else partial(_OnAudio, folder, trained),
        partial(_text_tower, folder, trained),
        weights if source is None or source in weights else (*weights, source),
        realtime_factor=base.realtime_factor if base else _AUDIO_FACTOR,
        on_gpu=base.on_gpu if base else True,
        unproven=base.unproven if base else "",
    )


class _OnFeatures:
    """An Encoder: the base encoder's features and tags, and the trained head."""

    def __init__(self, folder: Path, trained: Trained, base: Entry, spec: EncoderSpec, models: Path) -> None:
        self.spec, self._share = spec, trained.cell.share
        self._base = base.load(base.spec.limited(spec.backbone.windows.limit), models)
        self._unit = base.spec.head.kind == "identity"  # then the lake keeps unit vectors, and they were trained on
        joint = _joint(folder, trained, models)
        self._head = joint.audio
        if self._share:
            self._common = joint.text.mean.numpy()  # what all texts share, which no text of this space has

    def embed_windows(self, windows: np.ndarray) -> np.ndarray:
        return self._base.embed_windows(windows)

    def project(self, features: np.ndarray) -> np.ndarray:
        import torch

        stored = features.astype(np.float16).astype(np.float32)  # as the lake keeps them: the very same vectors
        with torch.inference_mode():
            heard = torch.from_numpy(unit(stored) if self._unit else stored)
            vectors = torch.nn.functional.normalize(self._head(heard)).numpy()
        if self._share:
            own = self._base.project(features)
            own = own - np.outer(own @ self._common, self._common / (self._common @ self._common))
            vectors = unit((1 - self._share) * vectors + self._share * unit(own))
        return vectors

    def tag(self, features: np.ndarray) -> np.ndarray:
        return self._base.tag(features)


class _OnAudio(NetEncoder):
    """An Encoder: the CNN and transformer of TTMR, trained here; what is stored is not of length 1."""

    def __init__(self, folder: Path, trained: Trained, spec: EncoderSpec, models: Path) -> None:
        super().__init__(spec, _joint(folder, trained, models).audio)


def _text_tower(folder: Path, trained: Trained, _: EncoderSpec, models: Path) -> TextTower:
    from workers.encoders.joint.text_tower import JointTexts, TagsInTexts, frozen_tower

    joint = _joint(folder, trained, models)
    if joint.centroids is not None:
        return TagsInTexts(joint.centroids, trained.vocabulary)
    return JointTexts(joint, None if trained.cell.finetune_text else frozen_tower(trained.cell.text, models))


def require_share(cell: Cell, base: Entry | None) -> None:
    """UserError where a share is asked of an encoder whose vectors are no sums of texts."""
    if cell.share and (base is None or base.spec.head.kind != "conse"):
        raise UserError("--share needs --encoder musicnn-conse: its vectors are sums of texts")


def _parameters(cell: Cell, base: Entry | None, source: Source | None) -> tuple[tuple[str, str | float], ...]:
    """What else moves numbers."""
    require_share(cell, base)
    told: list[tuple[str, str | float]] = [("text_weights", source.sha256())] if source else []
    if cell.share and base:
        told += [("share", cell.share), *(("own " + name, value) for name, value in base.spec.head.parameters)]
    return tuple(told)


def _joint(folder: Path, trained: Trained, models: Path) -> "Joint":
    """The trained net, in eval mode."""
    from workers.encoders.joint.files import read_weights
    from workers.encoders.joint.net import joint_of

    reader = None
    if trained.cell.finetune_text:
        from workers.text.minilm import MiniLMNet  # not for workers on audio, nor for texts that are read elsewhere

        reader = MiniLMNet(models)
    return joint_of(trained.cell, read_weights(folder, trained), reader)


def _own_backbone(trained: Trained) -> BackboneSpec:
    return BackboneSpec(
        weights_sha256=trained.weights_sha256,
        windows=WindowSpec(sample_rate=SAMPLE_RATE, window=WINDOW, hop=WINDOW),
        layer="joint projection of CLS; mel of the real part",
        pooling="mean over windows",
        dim=trained.dim,
    )
