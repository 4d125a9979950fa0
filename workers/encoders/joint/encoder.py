"""Encoders from folders that `tonelake train` wrote: `tonelake --encoder FOLDER index ...`."""

import copy
import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from schemas.audio import WindowSpec
from schemas.encoders import BackboneSpec, EncoderSpec, HeadSpec
from schemas.errors import UserError
from schemas.training import CONSE_WEIGHTS, MODEL_FILE, TrainedModel, TrainingConfig
from workers.encoders.base.interface import TextTower, Windows
from workers.encoders.base.registration import EncoderRegistration
from workers.encoders.base.torch_encoder import TorchEncoder, normalise_rows
from workers.encoders.joint.conse_part import (
    BASIS,
    LENGTH,
    MEAN,
    SCALE,
    ConseTextTower,
    ConseWeights,
    put_conse_beside,
    split_words,
)
from workers.encoders.ttmr.encoder import SAMPLE_RATE, WINDOW
from workers.text.glove_weights import GLOVE_6B_50D
from workers.text.minilm_weights import MINILM
from workers.weights.sources import Source

if TYPE_CHECKING:
    from workers.encoders.joint.net import Joint

TEXT_SOURCES = {"glove": GLOVE_6B_50D, "bert": MINILM}
_OF_TEXTS = ("text.", "reader.", "centroids", BASIS)  # weights that a text tower needs
_AUDIO_REALTIME_FACTOR = 8.0  # that of TTMR, which is the same net


def read_trained_model(folder: Path) -> TrainedModel:
    """Read the model.json of a folder; raise UserError if it is not one."""
    try:
        return TrainedModel.from_json((folder / MODEL_FILE).read_text())
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise UserError(
            f"{folder / MODEL_FILE} does not describe a trained encoder ({error}): train it again"
        ) from error


def trained_registration(folder: Path, trained: TrainedModel, base: EncoderRegistration | None) -> EncoderRegistration:
    """Return the registration of a trained encoder.

    `base` is the encoder whose features the trained head takes; None if the trained tower takes audio. Raises
    UserError if `base` computes other features than those of the training.
    """
    if base and base.spec.feature_version != trained.feature_version:
        raise UserError(
            f"{folder} was trained on features {trained.feature_version} of {trained.base}, this tonelake computes "
            f"{base.spec.feature_version}: train it again"
        )
    config = trained.cell
    text_source = None if config.framework == "classification" else TEXT_SOURCES[config.text]
    spec = EncoderSpec(
        name=trained.name,
        licence=f"trained here on {base.spec.name}: {base.spec.licence}" if base else "trained here",
        citation="S. Doh, M. Won, K. Choi and J. Nam, Toward Universal Text-to-Music Retrieval, ICASSP 2023",
        backbone=base.spec.backbone if base else _audio_backbone(trained),
        head=HeadSpec(
            kind="joint" if base else "identity",
            dim=trained.dim,
            weights_sha256=trained.weights_sha256,
            text_tower=text_source.name if text_source else "the trained tags",
            parameters=_head_parameters(trained, base, text_source),
        ),
        tagger=base.spec.tagger if base else None,
        base=(base.spec.base or base.spec.name) if base else "",
        folder=str(folder),
    )
    load_text = partial(_load_text_tower, folder, trained, base)
    weights = base.weights if base else ()
    if text_source is not None and text_source not in weights:
        weights = (*weights, text_source)
    if base is None:
        load_audio = partial(TrainedAudioEncoder, folder, trained)
        realtime_factor = _AUDIO_REALTIME_FACTOR
        return EncoderRegistration(spec, load_audio, load_text, weights, realtime_factor, on_gpu=True, verified=True)
    load_head = partial(FeatureHeadEncoder, folder, trained, base)
    return replace(base, spec=spec, load=load_head, load_text=load_text, weights=weights)


class FeatureHeadEncoder:
    """An Encoder: the base encoder's features and tags, and the trained heads.

    `heads` are those of all seeds; a vector is the mean of theirs. With a ConSE weight, the base encoder's vector
    stands beside it.
    """

    def __init__(
        self, folder: Path, trained: TrainedModel, base: EncoderRegistration, spec: EncoderSpec, models: Path
    ) -> None:
        from workers.encoders.joint.files import read_weights

        self.spec = spec
        self._base = base.load(base.spec.with_max_windows(spec.backbone.windows.limit), models)
        # An "identity" base stores its features as unit vectors, so the head was trained on unit vectors.
        self._takes_unit_vectors = base.spec.head.kind == "identity"
        weights = read_weights(folder, trained)
        self.heads = [joint.audio for joint in _load_joints(trained, weights, models)]
        self._conse = {name: weights[name] for name in (BASIS, MEAN, SCALE)} if trained.cell.has_conse else None

    def with_only(self, seed: int) -> "FeatureHeadEncoder":
        """Return this encoder with the head of one of its seeds, from 0."""
        encoder = copy.copy(self)
        encoder.heads = [self.heads[seed]]
        return encoder

    def embed_windows(self, windows: Windows) -> np.ndarray:
        return self._base.embed_windows(windows)

    def project(self, features: np.ndarray) -> np.ndarray:
        import torch

        # Rounded as the lake stores them: features from audio and from the lake give the same vector.
        inputs = features.astype(np.float16).astype(np.float32)
        if self._takes_unit_vectors:
            inputs = normalise_rows(inputs)
        with torch.inference_mode():
            units = [torch.nn.functional.normalize(head(torch.from_numpy(inputs))).numpy() for head in self.heads]
        vectors = units[0] if len(units) == 1 else normalise_rows(np.sum(units, axis=0))
        return put_conse_beside(vectors, self._base.project(features), self._conse) if self._conse else vectors

    def tag(self, features: np.ndarray) -> np.ndarray:
        return self._base.tag(features)


class TrainedAudioEncoder(TorchEncoder):
    """An Encoder: TTMR's CNN and transformer, trained here. Its features are not of length 1."""

    def __init__(self, folder: Path, trained: TrainedModel, spec: EncoderSpec, models: Path) -> None:
        from workers.encoders.joint.files import read_weights

        (joint,) = _load_joints(trained, read_weights(folder, trained), models)
        super().__init__(spec, joint.audio)


def require_conse_base(config: TrainingConfig, base: EncoderRegistration | None) -> None:
    """Refuse a ConSE weight for a base encoder without a ConSE head.

    Raises UserError if `base` is such an encoder.
    """
    if config.has_conse and (base is None or base.spec.head.kind != "conse"):
        raise UserError("conse_weight needs the encoder musicnn-conse, which has ConSE's vectors")


def _load_text_tower(
    folder: Path, trained: TrainedModel, base: EncoderRegistration | None, _: EncoderSpec, models: Path
) -> TextTower:
    from workers.encoders.joint.files import read_weights
    from workers.encoders.joint.text_tower import (  # only here, because few commands read texts
        JointTextTower,
        TagTextTower,
        load_finetuned_tower,
        load_frozen_tower,
    )

    config, weights = trained.cell, read_weights(folder, trained, _OF_TEXTS)
    if config.framework == "classification":
        return TagTextTower(weights["centroids"], trained.vocabulary)
    if config.finetune_text:
        return JointTextTower(load_finetuned_tower(weights, models).mean_states, weights)
    read_texts = load_frozen_tower(config.text, models).embed_text
    tower = JointTextTower(read_texts, weights)
    if not config.has_conse:
        return tower
    assert base is not None, "the configuration refuses a ConSE weight without a base"
    prompt = str(dict(base.spec.head.parameters)["prompt"])
    return ConseTextTower(read_texts, tower.project, prompt, weights[BASIS], _conse_weights(trained))


def _conse_weights(trained: TrainedModel) -> ConseWeights:
    config = trained.cell
    return ConseWeights(
        known=config.conse_weight,
        tag=config.conse_weight_tags,
        new=max(config.conse_weight, config.conse_weight_new_words),
        words=frozenset(trained.words),
        tags=frozenset(" ".join(split_words(tag)) for tag in config.conse_tags),
    )


def _load_joints(trained: TrainedModel, weights: Mapping[str, np.ndarray], models: Path) -> list["Joint"]:
    """Load the trained net of each seed, in eval mode."""
    import torch

    from workers.encoders.joint.files import select_seed
    from workers.encoders.joint.net import build_joint

    reader = None
    if trained.cell.finetune_text:
        from workers.text.minilm_net import MiniLMNet  # only here, because other trained nets do not need it

        reader = MiniLMNet(models)
    tensors = [
        {name: torch.from_numpy(weight) for name, weight in select_seed(weights, seed).items()}
        for seed in range(trained.cell.seeds)
    ]
    return [build_joint(trained.cell, of_seed, reader) for of_seed in tensors]


def _head_parameters(
    trained: TrainedModel, base: EncoderRegistration | None, text_source: Source | None
) -> tuple[tuple[str, str | float], ...]:
    """Return what changes the vectors besides the trained weights."""
    config = trained.cell
    require_conse_base(config, base)
    parameters: list[tuple[str, str | float]] = []
    if text_source:
        parameters.append(("text_weights", text_source.sha256()))
    if config.seeds > 1:
        parameters.append(("seeds", config.seeds))
    if config.has_conse and base:
        parameters += [(name, getattr(config, name)) for name in CONSE_WEIGHTS]
        texts = json.dumps([trained.words, config.conse_tags])
        parameters.append(("conse length", LENGTH))
        parameters.append(("words and tags", hashlib.sha256(texts.encode()).hexdigest()))
        parameters += [("conse " + name, value) for name, value in base.spec.head.parameters]
    return tuple(parameters)


def _audio_backbone(trained: TrainedModel) -> BackboneSpec:
    return BackboneSpec(
        weights_sha256=trained.weights_sha256,
        windows=WindowSpec(sample_rate=SAMPLE_RATE, window=WINDOW, hop=WINDOW),
        layer="joint projection of CLS; mel of the real part",
        pooling="mean over windows",
        dim=trained.dim,
    )
