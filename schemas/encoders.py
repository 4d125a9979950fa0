"""Encoders as data: their specs, and the versions derived from these."""

import hashlib
import json
import re
from dataclasses import asdict, dataclass, replace
from functools import cache
from typing import Any

from schemas.audio import WindowSpec
from schemas.errors import UserError

_NAME = re.compile(r"[A-Za-z0-9_.+-]+")  # a name is part of paths, and may come from a stranger's lake or model
BFLOAT16_SUFFIX = "-bfloat16"  # of the name of an encoder in mixed precision


@dataclass(frozen=True, slots=True)
class BackboneSpec:
    """The part that needs audio: windows -> pooled features, float32 [dim] a track."""

    weights_sha256: str
    windows: WindowSpec
    layer: str
    pooling: str
    dim: int
    dtype: str = "float32"
    revision: int = 1


@dataclass(frozen=True, slots=True)
class HeadSpec:
    """The part that needs only features: features -> the searched unit vector, float32 [dim].

    `kind` "identity" means that the normalised features are the vector. `parameters` are (name, value) pairs of
    everything else that changes the numbers, like a weight or a vocabulary.
    """

    kind: str
    dim: int
    weights_sha256: str = ""
    text_tower: str = ""
    parameters: tuple[tuple[str, str | float], ...] = ()
    revision: int = 1


@dataclass(frozen=True, slots=True)
class TaggerSpec:
    """Features -> a score in 0..1 for each name in `vocabulary`.

    Names with a score of at least `threshold` become tag_names.
    """

    vocabulary: tuple[str, ...]
    threshold: float
    revision: int = 1


@dataclass(frozen=True, slots=True)
class EncoderSpec:
    """A backbone, a head and perhaps a tagger.

    `name`, `licence`, `citation`, `prompt`, `base` and `folder` change no stored number and no version. `prompt` is
    the text given to the text tower for a tag, with {} in place of the tag; evaluations with another prompt are other
    evaluations. `base` names the encoder whose backbone, and therefore whose stored features, this one shares.
    `folder` is the folder of a model that was trained here.
    """

    name: str
    licence: str
    citation: str
    backbone: BackboneSpec
    head: HeadSpec
    tagger: TaggerSpec | None = None
    prompt: str = "{}"
    base: str = ""
    folder: str = ""

    def __post_init__(self) -> None:
        for name in filter(None, (self.name, self.base)):
            if not _NAME.fullmatch(name):
                raise UserError(f"{name!r} is not a valid encoder name: use letters, digits and _.+-")

    @property
    def folder_or_name(self) -> str:
        """The key of the encoder registry: a trained encoder's folder, else its name."""
        return self.folder or self.name

    @property
    def model(self) -> str:
        """The name without the precision."""
        return self.name.removesuffix(BFLOAT16_SUFFIX)

    @property
    def feature_version(self) -> str:
        return _feature_version(self.backbone)

    @property
    def embedding_version(self) -> str:
        return _embedding_version(self.backbone, self.head)

    @property
    def tags_version(self) -> str:
        tagger = asdict(self.tagger) if self.tagger else None
        return derive_version({"backbone": asdict(self.backbone), "tagger": tagger})

    @property
    def stores_features(self) -> bool:
        """Whether there is a table of features: not if the vector is the features."""
        return self.head.kind != "identity"

    def with_max_windows(self, max_windows: int | None) -> "EncoderSpec":
        """Return the same encoder over at most that many windows a track. Its version differs."""
        windows = replace(self.backbone.windows, limit=max_windows)
        return replace(self, backbone=replace(self.backbone, windows=windows))

    def with_bfloat16(self) -> "EncoderSpec":
        """Return the same encoder in mixed precision, bfloat16 where that is safe. Its version differs."""
        return replace(self, name=self.name + BFLOAT16_SUFFIX, backbone=replace(self.backbone, dtype="bfloat16"))

    def to_json(self) -> str:
        """Return the whole spec as JSON, for the lake's `encoders` table."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "EncoderSpec":
        """Return the spec that `to_json` wrote, with the same versions."""
        spec = json.loads(text)
        backbone = spec.pop("backbone")
        windows = WindowSpec(**backbone.pop("windows"))
        head, tagger = spec.pop("head"), spec.pop("tagger")
        head["parameters"] = tuple((name, value) for name, value in head["parameters"])
        return cls(
            **spec,
            backbone=BackboneSpec(windows=windows, **backbone),
            head=HeadSpec(**head),
            tagger=tagger and TaggerSpec(**{**tagger, "vocabulary": tuple(tagger["vocabulary"])}),
        )


@cache
def _feature_version(backbone: BackboneSpec) -> str:
    return derive_version(asdict(backbone))


@cache
def _embedding_version(backbone: BackboneSpec, head: HeadSpec) -> str:
    return derive_version({"backbone": asdict(backbone), "head": asdict(head)})


def derive_version(numeric: dict[str, Any]) -> str:
    """Return the first 12 hex digits of the sha256 of canonical JSON."""
    canonical = json.dumps(numeric, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()[:12]
