"""Audio as a training's tower hears it: decoded once, at 16 kHz, a .npy file a clip from which crops are read."""

from pathlib import Path

import numpy as np

from schemas.audio import WindowSpec
from schemas.encoders import EncoderSpec
from schemas.settings import Settings
from workers.audio.fetch import fetch
from workers.audio.verdicts import Rejected
from workers.audio.windows import read_windows
from workers.encoders.base.interface import Encoder
from workers.encoders.ttmr.net import SAMPLE_RATE, WINDOW

_WHOLE = WindowSpec(sample_rate=SAMPLE_RATE, window=WINDOW, hop=WINDOW)


def decoded(settings: Settings, job: tuple[str, Path]) -> bool:
    """Writes the audio at a uri as float16; what is there is kept. False where a verdict refuses the file."""
    uri, path = job
    if path.is_file():
        return True
    try:
        with fetch(uri, settings.s3) as fetched:
            samples = np.concatenate(list(read_windows(fetched.file, _WHOLE, settings.accept)))
    except Rejected:
        return False
    unfinished = path.with_suffix(".part.npy")
    np.save(unfinished, samples.astype(np.float16))
    unfinished.replace(path)
    return True


def vectors_of(files: tuple[Path, ...], encoder: Encoder, spec: EncoderSpec) -> np.ndarray:
    """A unit vector for each file that `decoded` wrote [N, dim]: the mean over its windows, as the index takes it."""
    rows = []
    for file in files:
        windows = np.load(file).astype(np.float32).reshape(-1, WINDOW)
        rows.append(encoder.embed_windows(windows).mean(axis=0))
    return encoder.project(np.stack(rows).reshape(len(files), spec.backbone.dim))
