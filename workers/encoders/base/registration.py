"""How the registry describes an encoder: its spec, its loaders and its weights. Importing this loads no model."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from schemas.encoders import EncoderSpec
from workers.encoders.base.interface import Encoder, TextTower
from workers.weights.cache import weights_folder
from workers.weights.sources import Source


@dataclass(frozen=True, slots=True)
class EncoderRegistration:
    """An encoder that this tonelake can compute.

    * `load_text`: None if the encoder has no text tower.
    * `weights`: what `fetch_weights` fetches.
    * `realtime_factor`: seconds of audio that one core decodes and embeds a second. `--dry-run` uses this guess until
      the lake has runs to measure it by.
    * `on_gpu`: whether the encoder uses a GPU if there is one. The others run on the CPUs beside it.
    * `unpinned`: why the version does not name the weights. Such an encoder runs only if the settings allow it.
    * `verified`: whether this code has run on the released weights, and gave what they give elsewhere.
    """

    spec: EncoderSpec
    load: Callable[[EncoderSpec, Path], Encoder]
    load_text: Callable[[EncoderSpec, Path], TextTower] | None
    weights: tuple[Source, ...]
    realtime_factor: float
    on_gpu: bool = False
    unpinned: str = ""
    verified: bool = False

    @property
    def notices(self) -> list[str]:
        """Lines to print before use: a restrictive licence, a missing verification."""
        lines = []
        if "NC" in self.spec.licence:
            lines.append(f"licence of {self.spec.name}: {self.spec.licence}")
        if not self.verified:
            lines.append(f"{self.spec.name} has not run on its released weights here: check its answers before use")
        return lines

    def fetch_weights(self, models: Path) -> None:
        """Fetch everything that `load` and `load_text` need, so that workers find it in `models`.

        Raises UserError if a source cannot be fetched.
        """
        for source in self.weights:
            weights_folder(source, models)
