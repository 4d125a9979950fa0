"""Every encoder there is: a plain dict. Nothing heavy is imported before an encoder is loaded.

encoder = load_encoder(ENCODERS["musicnn"].spec, settings.models)
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from schemas.encoders import EncoderSpec
from schemas.errors import UserError
from workers.encoders import fake, musicnn
from workers.encoders.musicnn_weights import MUSICNN
from workers.encoders.protocol import Encoder, TextTower
from workers.text.minilm_weights import MINILM
from workers.weights import Source, weights_folder


@dataclass(frozen=True, slots=True)
class Entry:
    """`load_text` is None for an encoder that cannot be asked in words.

    `on_gpu` says that it computes on a GPU where there is one; the others run on the CPUs beside it.
    `weights` are what `prepare` fetches, `realtime_factor` seconds of audio that one core embeds a second, with
    decoding: a guess for `--dry-run` before a lake has runs of its own.
    """

    spec: EncoderSpec
    load: Callable[[EncoderSpec, Path], Encoder]
    load_text: Callable[[EncoderSpec, Path], TextTower] | None
    weights: tuple[Source, ...]
    realtime_factor: float
    on_gpu: bool = False

    def prepare(self, models: Path) -> None:
        """Fetches what `load` and `load_text` need, so that workers find it; UserError where it cannot be fetched."""
        for source in self.weights:
            weights_folder(source, models)


ENCODERS: dict[str, Entry] = {
    "fake": Entry(fake.SPEC, fake.FakeEncoder, fake.FakeText, weights=(), realtime_factor=600),
    "musicnn": Entry(
        musicnn.SPEC, musicnn.MusicNN, musicnn.MusicNNText, weights=(MINILM, MUSICNN), realtime_factor=55
    ),
}


def encoder_entry(name: str) -> Entry:
    """The entry of that name; UserError says which there are."""
    if name not in ENCODERS:
        raise UserError(f"no encoder is named {name!r}; there are {', '.join(sorted(ENCODERS))}")
    return ENCODERS[name]


def load_encoder(spec: EncoderSpec, models: Path) -> Encoder:
    """The encoder of that very version; UserError where this tonelake computes another."""
    entry = encoder_entry(spec.name)
    ours = entry.spec.limited(spec.backbone.windows.limit)
    if ours.embedding_version != spec.embedding_version:
        raise UserError(f"this tonelake computes {ours.name} {ours.embedding_version}, not {spec.embedding_version}")
    return entry.load(spec, models)


def described() -> list[dict[str, Any]]:
    """One row an encoder, for people and for JSON."""
    return [_row(entry) for entry in ENCODERS.values()]


def _row(entry: Entry) -> dict[str, Any]:
    spec, windows = entry.spec, entry.spec.backbone.windows
    return {
        "name": spec.name,
        "embedding_version": spec.embedding_version,
        "sample_rate": windows.sample_rate,
        "window": windows.window,
        "hop": windows.hop,
        "dim": spec.head.dim,
        "tags": len(spec.tagger.vocabulary) if spec.tagger else 0,
        "text_tower": entry.load_text is not None,
        "licence": spec.licence,
    }
