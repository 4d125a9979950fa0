"""The Salamander Grand Piano: three of its sixteen velocities.

Every third key was recorded (15 MB of npm). Each package says: CC BY 3.0, Alexander Holm.
"""

from collections.abc import Sequence
from pathlib import Path

from workers.synthetic_music.sources.base import SourceRegistration
from workers.synthetic_music.sources.note_files import load_notes
from workers.synthetic_music.sources.packages import NPM, SoundPackage
from workers.synthetic_music.sources.sampler import Patch, Sampler

VERSION = "1.0.5"
# Of each layer: the softest and the loudest note that it is for, and its package's sha256.
LAYERS = {
    4: ((0, 69), "d4109ec1b6e7c9fe10eeff53195b386cb7225b74675c1c17a03a8e8ab094faed"),
    10: ((70, 94), "b8453347f8fab61f8c087b3868cce7f1ef26655fab373b4b2dfbae1aa7e86f32"),
    15: ((95, 127), "2a947e375b30433ec86ca5318cede81ddb9b0bd97c4d0b083de2151a7558eb1a"),
}
GAIN = 12.0  # dB: its recordings are soft


def load_salamander(folders: Sequence[Path]) -> Sampler:
    """Return the source."""

    def piano() -> Patch:
        layers = zip(LAYERS.values(), folders, strict=True)
        return Patch(
            tuple(
                sample
                for (velocities, _), folder in layers
                for sample in load_notes([*folder.glob("*.ogg")], sustained=False, velocities=velocities, level=GAIN)
            )
        )

    return Sampler({"piano": [piano]})


def _package(layer: int, digest: str) -> SoundPackage:
    name = f"piano-velocity{layer}"
    return SoundPackage(name, NPM, f"@audio-samples/{name}/-/{name}-{VERSION}.tgz", digest, ("*.ogg",))


SALAMANDER = SourceRegistration(
    name="salamander",
    origin="Salamander Grand Piano V3, a Yamaha C5 recorded by Alexander Holm",
    licence="CC-BY-3.0",
    voices=frozenset({"piano"}),
    packages=tuple(_package(layer, digest) for layer, (_, digest) in LAYERS.items()),
    load=load_salamander,
)
