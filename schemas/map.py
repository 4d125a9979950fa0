"""The map of a catalogue: its specification and its report."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

from schemas.encoders import derive_version

Method = Literal["umap", "pca"]
LANDMARKS = 50_000


@dataclass(frozen=True, slots=True)
class MapSpec:
    """Everything that changes where a track lies, beside its vector.

    `landmarks` tracks are laid out by `method`, each with `neighbours`.
    """

    method: Method
    landmarks: int = LANDMARKS
    neighbours: int = 15
    seed: int = 0
    revision: int = 1

    @property
    def map_version(self) -> str:
        """A hash of the fields."""
        return derive_version(asdict(self))


@dataclass(frozen=True, slots=True)
class MapReport:
    """What `tonelake map` did.

    `tracks` lie on the map. Of these `landmarks` are laid out; `placed` were given a position by this run, `kept` had
    one. `dropped` rows were of tracks that no release has. `seconds` is the time of the run.
    """

    run_id: str
    encoder: str
    embedding_version: str
    release: int | None
    method: Method
    map_version: str
    tracks: int
    landmarks: int
    placed: int
    kept: int
    dropped: int
    seconds: float
    remarks: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the fields as a JSON object."""
        return asdict(self)
