"""What an encoder computes, as data: its spec, and the versions derived from it."""

import hashlib
import json
import re
from dataclasses import asdict, dataclass, replace
from typing import Any

from schemas.audio import WindowSpec
from schemas.errors import UserError

_NAME = re.compile(r"[A-Za-z0-9_.+-]+")  # it is a part of paths, and may come from a stranger's lake or model
HALF = "-bfloat16"  # ends the name of an encoder in mixed precision


@dataclass(frozen=True, slots=True)
class BackboneSpec:
    """The part that needs audio: windows -> pooled features of `dim` float32 numbers a track."""

    weights_sha256: str
    windows: WindowSpec
    layer: str
    pooling: str
    dim: int
    dtype: str = "float32"
    revision: int = 1


@dataclass(frozen=True, slots=True)
class HeadSpec:
    """The part that needs only features: features -> the unit vector of `dim` numbers that is searched.

    `kind` "identity" means that the normalised features are the vector. `parameters` holds what else moves
    numbers (a share, a vocabulary), as name and value pairs.
    """

    kind: str
    dim: int
    weights_sha256: str = ""
    text_tower: str = ""
    parameters: tuple[tuple[str, str | float], ...] = ()
    revision: int = 1


@dataclass(frozen=True, slots=True)
class TaggerSpec:
    """Features -> a score in 0..1 for each name in `vocabulary`; names at or over `threshold` are tag_names."""

    vocabulary: tuple[str, ...]
    threshold: float
    revision: int = 1


@dataclass(frozen=True, slots=True)
class EncoderSpec:
    """A backbone, a head and perhaps a tagger.

    `name`, `licence`, `citation` and `prompt` move no stored number and no version. `prompt` is how a bare tag is put
    to the text tower, with {} where the tag stands; evaluations by another prompt are other evaluations. `base` names
    the encoder whose backbone, and so whose stored features, this one shares; `folder` holds what was trained here.
    Both move no number either.
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
                raise UserError(f"{name!r} is no name of an encoder: letters, digits and _.+- name its tables")

    @property
    def address(self) -> str:
        """What the registry finds it by: a trained encoder's folder, else its name."""
        return self.folder or self.name

    @property
    def model(self) -> str:
        """The name without the precision."""
        return self.name.removesuffix(HALF)

    @property
    def feature_version(self) -> str:
        return _version(asdict(self.backbone))

    @property
    def embedding_version(self) -> str:
        return _version({"backbone": asdict(self.backbone), "head": asdict(self.head)})

    @property
    def tags_version(self) -> str:
        return _version({"backbone": asdict(self.backbone), "tagger": asdict(self.tagger) if self.tagger else None})

    @property
    def stores_features(self) -> bool:
        """Features are kept apart unless the vector is the features."""
        return self.head.kind != "identity"

    def limited(self, windows: int | None) -> "EncoderSpec":
        """The same encoder over at most `windows` windows a track: another version, because numbers move."""
        spec = replace(self.backbone.windows, limit=windows)
        return replace(self, backbone=replace(self.backbone, windows=spec))

    def in_half(self) -> "EncoderSpec":
        """The same encoder in mixed precision, bfloat16 where that is safe: another version, because numbers move."""
        return replace(self, name=self.name + HALF, backbone=replace(self.backbone, dtype="bfloat16"))

    def to_json(self) -> str:
        """Everything, for the lake's `encoders` table."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "EncoderSpec":
        """The spec that `to_json` wrote: equal to it, versions included."""
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


def _version(numeric: dict[str, Any]) -> str:
    """First 12 hex digits of sha256 over canonical JSON: derived, never typed."""
    canonical = json.dumps(numeric, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()[:12]
