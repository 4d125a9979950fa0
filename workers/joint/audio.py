"""Audio for the training of an audio tower.

Each clip is decoded once, at 16 kHz, to a .npy file from which crops are read.
"""

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

_WHOLE_FILE = WindowSpec(sample_rate=SAMPLE_RATE, window=WINDOW, hop=WINDOW)


def decode_to_file(settings: Settings, job: tuple[str, Path]) -> bool:
    """Decode the audio at a uri to a .npy file of float16 samples [n].

    `job` is (uri, path). An existing file is kept. Return False if a verdict rejects the audio.
    """
    uri, path = job
    if path.is_file():
        return True
    try:
        with fetch(uri, settings.s3) as fetched:
            samples = np.concatenate(list(read_windows(fetched.file, _WHOLE_FILE, settings.accept)))
    except Rejected:
        return False
    unfinished = path.with_suffix(".part.npy")
    np.save(unfinished, samples.astype(np.float16))
    unfinished.replace(path)
    return True


def embed_files(files: tuple[Path, ...], encoder: Encoder, spec: EncoderSpec) -> np.ndarray:
    """Return a unit vector for each file of `decode_to_file` [N, dim].

    A vector is the mean over the file's windows, computed as `tonelake index` computes it.
    """
    means = []
    for file in files:
        windows = np.load(file).astype(np.float32).reshape(-1, WINDOW)
        means.append(encoder.embed_windows(windows).mean(axis=0))
    return encoder.project(np.stack(means).reshape(len(files), spec.backbone.dim))
