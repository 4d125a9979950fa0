"""What a recording sounds like in 32 bits every 23 ms, the same in every encode of it.

J. Haitsma, T. Kalker: "A Highly Robust Audio Fingerprinting System", ISMIR 2002. Theirs every 11.6 ms find a recording
by three seconds of it; these lie twice as far apart, because whole recordings are compared.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from schemas.audio import ACCEPTABLE
from schemas.settings import S3Settings
from workers.audio.decode import decode
from workers.audio.fetch import fetch
from workers.audio.verdicts import Notes, Rejected
from workers.audio.windows import resample

RATE, FRAME, HOP = 5512, 2048, 128  # Hz, samples: frames of 0.37 s
_BANDS = np.geomspace(300, 2000, 34)  # Hz: the edges of 33 bands
_SECONDS = 600  # of a file that are heard
_SILENCE = 1e-7  # of the loudest frame's energy: bits of less are noise
_LEAST_WORDS = 128  # 3 s
_FORMAT = b"HK1\0"  # in front of what is kept: another way of computing would have another
_FRAMES_AT_ONCE = 1024


@dataclass(frozen=True, slots=True)
class Taken:
    """The fingerprint of a content; where there is none, why."""

    content_sha256: str
    fingerprint: bytes | None = None
    reason: str = ""


def is_current(kept: bytes) -> bool:
    """Whether this module computes such fingerprints."""
    return kept.startswith(_FORMAT)


def take(s3: S3Settings, content: tuple[str, Sequence[str]]) -> Taken:
    """The fingerprint of a content_sha256 from the first of its files that can be read and is still it."""
    sha, uris = content
    reason = ""
    for uri in uris:
        try:
            with fetch(uri, s3) as fetched:
                if fetched.content_sha256 == sha:
                    return Taken(sha, fingerprint(fetched.file))
                reason = f"{uri} is another file since it was embedded"
        except Rejected as rejected:
            reason = f"{rejected.reason}: {rejected.message}"
        except Exception as error:  # the store's or the network's: told, and tried again by the next call
            reason = f"unreadable now: {type(error).__name__}: {error}"
    return Taken(sha, None, reason)


def fingerprint(file: BinaryIO) -> bytes:
    """Of the first ten minutes of an open audio file; Rejected where nothing can be heard in it."""
    notes = Notes(ACCEPTABLE)
    sound = _mono(file, notes, first_channel=False)
    if "phase_cancelled" in notes.finish().verdicts:
        sound = _mono(file, Notes(ACCEPTABLE), first_channel=True)
    words = subfingerprints(sound)
    if np.count_nonzero(words) < _LEAST_WORDS:
        raise Rejected("too_short", "under three seconds of sound")
    return _FORMAT + words.astype("<u4").tobytes()


def subfingerprints(sound: np.ndarray) -> np.ndarray:
    """Mono float32 [samples] at RATE -> uint32 [frames - 1]; 0 where there is silence."""
    if len(sound) < FRAME + HOP:
        return np.zeros(0, np.uint32)
    frames = np.lib.stride_tricks.sliding_window_view(sound, FRAME)[::HOP]
    taper = np.hanning(FRAME).astype(np.float32)
    pitch = np.fft.rfftfreq(FRAME, 1 / RATE)
    bands = ((pitch[:, None] >= _BANDS[:-1]) & (pitch[:, None] < _BANDS[1:])).astype(np.float32)
    energies = np.concatenate(
        [
            np.abs(np.fft.rfft(frames[start : start + _FRAMES_AT_ONCE] * taper)) ** 2 @ bands
            for start in range(0, len(frames), _FRAMES_AT_ONCE)
        ]
    )
    bits = np.diff(energies[:, :-1] - energies[:, 1:], axis=0) > 0
    words = np.packbits(bits, axis=1, bitorder="little").view("<u4")[:, 0]
    loud = energies.sum(axis=1)
    return np.where(loud[1:] > _SILENCE * loud.max(), words, 0).astype(np.uint32)


def bit_error_rate(one: bytes, other: bytes, seconds: float) -> float:
    """The share of bits in which two fingerprints differ where they differ least, shifted by at most `seconds`.

    Half of the shorter one must lie beside the other. 0.5 is chance; 1 where too little sounds in both.
    """
    a, b = (np.frombuffer(kept, "<u4", offset=len(_FORMAT)) for kept in (one, other))
    shifts = round(seconds * RATE / HOP)
    least = max(_LEAST_WORDS, min(np.count_nonzero(a), np.count_nonzero(b)) // 2)
    return min(_errors(a[max(0, shift) :], b[max(0, -shift) :], least) for shift in range(-shifts, shifts + 1))


def _errors(a: np.ndarray, b: np.ndarray, least: int) -> float:
    length = min(len(a), len(b))
    a, b = a[:length], b[:length]
    heard = (a != 0) & (b != 0)
    words = np.count_nonzero(heard)
    if words < least:
        return 1.0
    return float(np.bitwise_count(a ^ b)[heard].sum(dtype=np.int64) / (32 * words))


def _mono(file: BinaryIO, notes: Notes, first_channel: bool) -> np.ndarray:
    heard = ((notes.hear(chunk.samples, chunk.rate)[first_channel], chunk.rate) for chunk in decode(file, notes))
    pieces, samples = [np.zeros(0, np.float32)], 0
    for piece in resample(heard, RATE):
        pieces.append(piece)
        samples += len(piece)
        if samples >= _SECONDS * RATE:
            break
    return np.concatenate(pieces)[: _SECONDS * RATE]
