"""The encoders there are, by name. Importing this loads no model and no torch."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from schemas.encoders import EncoderSpec
from schemas.errors import UserError
from workers.encoders import fake
from workers.encoders.protocol import Encoder, TextTower


@dataclass(frozen=True, slots=True)
class Entry:
    """An encoder by name. `prepare` fetches its weights once; `load` and `load_text` need them there.

    `realtime_factor` is x real time on one core, measured, for estimates before a first run.
    """

    spec: EncoderSpec
    prepare: Callable[[Path], None]
    load: Callable[[EncoderSpec, Path], Encoder]
    load_text: Callable[[EncoderSpec, Path], TextTower] | None
    realtime_factor: float


ENCODERS: dict[str, Entry] = {
    "fake": Entry(fake.SPEC, lambda models: None, fake.FakeEncoder, lambda spec, models: fake.FakeText(), 500.0),
}


def encoder_entry(name: str) -> Entry:
    """UserError lists what there is where `name` is not."""
    if name not in ENCODERS:
        raise UserError(f"no encoder is named {name!r}; there are {', '.join(sorted(ENCODERS))}")
    return ENCODERS[name]


def load_encoder(spec: EncoderSpec, models: Path) -> Encoder:
    """The encoder of a spec, weights and all."""
    entry = encoder_entry(spec.name)
    entry.prepare(models)
    return entry.load(spec, models)


def described() -> list[dict[str, Any]]:
    """A row for each encoder, for `tonelake encoders`."""
    return [
        {
            "name": name,
            "embedding_version": entry.spec.embedding_version,
            "sample_rate": entry.spec.backbone.windows.sample_rate,
            "window": entry.spec.backbone.windows.window / entry.spec.backbone.windows.sample_rate,
            "dim": entry.spec.head.dim,
            "licence": entry.spec.licence,
            "text_tower": entry.load_text is not None,
        }
        for name, entry in ENCODERS.items()
    ]
