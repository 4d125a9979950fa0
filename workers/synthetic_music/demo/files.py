"""Sound to audio files that are whole or absent."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile

from workers.synthetic_music.demo.synthesis import RATE

CHUNK = 65_536  # libsndfile's Vorbis encoder overflows its stack on one huge block
FORMATS = {"wav": ("WAV", "PCM_16"), "flac": ("FLAC", "PCM_16"), "ogg": ("OGG", "VORBIS")}


def write_audio(path: Path, sound: np.ndarray, labels: dict[str, str], rate: int = RATE) -> None:
    """Writes wav, flac or ogg by the path's suffix, with `labels` (title, artist, ...) as the file's own tags."""
    container, codec = FORMATS[path.suffix[1:]]

    def save(unfinished: Path) -> None:
        options = {"samplerate": rate, "channels": 2, "format": container, "subtype": codec}
        with soundfile.SoundFile(unfinished, "w", **options) as file:
            for name, value in labels.items():
                setattr(file, name, value)
            for start in range(0, len(sound), CHUNK):
                file.write(sound[start : start + CHUNK])

    write_whole(path, save)


def write_whole(path: Path, save: Callable[[Path], None]) -> None:
    """Lets `save` write beside the path and moves the result there: a file is whole or absent."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        save(unfinished)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def is_whole(path: Path, seconds: float, rate: int = RATE) -> bool:
    """Whether the path is an audio file of that length."""
    try:
        return path.is_file() and soundfile.info(path).frames == round(seconds * rate)
    except soundfile.LibsndfileError:
        return False
