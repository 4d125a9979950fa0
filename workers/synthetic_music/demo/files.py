"""Audio files that are written atomically."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile

from workers.synthetic_music.demo.synthesis import RATE

CHUNK = 65_536  # libsndfile's Vorbis encoder overflows its stack on one huge block
FORMATS = {"wav": ("WAV", "PCM_16"), "flac": ("FLAC", "PCM_16"), "ogg": ("OGG", "VORBIS")}


def write_audio(path: Path, sound: np.ndarray, labels: dict[str, str], rate: int = RATE) -> None:
    """Write stereo sound [frames, 2] as wav, flac or ogg, by the path's suffix.

    `labels` (title, artist, ...) become the file's own tags.
    """
    container, codec = FORMATS[path.suffix[1:]]

    def save(unfinished: Path) -> None:
        options = {"samplerate": rate, "channels": 2, "format": container, "subtype": codec}
        with soundfile.SoundFile(unfinished, "w", **options) as file:
            for name, value in labels.items():
                setattr(file, name, value)
            for start in range(0, len(sound), CHUNK):
                file.write(sound[start : start + CHUNK])

    write_atomically(path, save)


def write_atomically(path: Path, save: Callable[[Path], None]) -> None:
    """Let `save` write a temporary file and move it to the path."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        save(unfinished)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def is_complete(path: Path, seconds: float, rate: int = RATE) -> bool:
    """Return whether the path is an audio file of that length."""
    try:
        return path.is_file() and soundfile.info(path).frames == round(seconds * rate)
    except soundfile.LibsndfileError:
        return False
