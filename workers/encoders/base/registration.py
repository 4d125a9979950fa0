"""An encoder as the registry knows it: what it is, how it is loaded, what it needs. Nothing heavy is imported here."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from schemas.encoders import EncoderSpec
from workers.encoders.base.interface import Encoder, TextTower
from workers.weights.cache import Source, weights_folder


@dataclass(frozen=True, slots=True)
class Entry:
    """`load_text` is None for an encoder that cannot be asked in words.

    `on_gpu` says that it computes on a GPU where there is one; the others run on the CPUs beside it.
    `weights` are what `prepare` fetches, `realtime_factor` seconds of audio that one core embeds a second, with
    decoding: a guess for `--dry-run` before a lake has runs of its own. `unproven` is why its numbers cannot be
    relied on yet: it runs only when that is allowed.
    """

    spec: EncoderSpec
    load: Callable[[EncoderSpec, Path], Encoder]
    load_text: Callable[[EncoderSpec, Path], TextTower] | None
    weights: tuple[Source, ...]
    realtime_factor: float
    on_gpu: bool = False
    unproven: str = ""

    @property
    def notice(self) -> str:
        """The licence, where it forbids commerce or binds what is built with it: to be shown before use; "" else."""
        restricted = any(word in self.spec.licence for word in ("NC", "GPL"))
        return f"licence of {self.spec.name}: {self.spec.licence}" if restricted else ""

    def prepare(self, models: Path) -> None:
        """Fetches what `load` and `load_text` need, so that workers find it; UserError where it cannot be fetched."""
        for source in self.weights:
            weights_folder(source, models)
