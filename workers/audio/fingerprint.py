"""Acoustic fingerprints: 32 bits every 23 ms, alike in every encode of a recording.

J. Haitsma, T. Kalker: "A Highly Robust Audio Fingerprinting System", ISMIR 2002. Their words follow every 11.6 ms and
find a recording by three seconds of it. Here whole recordings are compared, so words are twice as far apart.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from schemas.audio import ACCEPTABLE
from schemas.settings import S3Settings
from workers.audio.decode import decode
from workers.audio.fetch import fetch
from workers.audio.verdicts import AudioInspector, Rejected
from workers.audio.windows import resample

RATE, FRAME, HOP = 5512, 2048, 128  # Hz, samples, samples: frames of 0.37 s
_BANDS = np.geomspace(300, 2000, 34)  # Hz: the edges of 33 bands
_MAX_SECONDS = 600  # of a file that are fingerprinted
_SILENCE = 1e-7  # of the loudest frame's energy: below it the bits are noise
_LEAST_WORDS = 128  # 3 s
_FORMAT = b"HK1\0"  # the first bytes of a stored fingerprint; another computation needs another format
_FRAMES_AT_ONCE = 1024


@dataclass(frozen=True, slots=True)
class FingerprintResult:
    """The fingerprint of a content, or the reason why there is none."""

    content_sha256: str
    fingerprint: bytes | None = None
    reason: str = ""


def is_current(stored: bytes) -> bool:
    """Return whether a stored fingerprint has the format of this module."""
    return stored.startswith(_FORMAT)


def fingerprint_content(s3: S3Settings, content: tuple[str, Sequence[str]]) -> FingerprintResult:
    """Fingerprint a content, given as its sha256 and the uris of its files.

    The first file that can be read and still has this content is used.
    """
    sha256, uris = content
    reason = ""
    for uri in uris:
        try:
            with fetch(uri, s3) as fetched:
                if fetched.content_sha256 == sha256:
                    return FingerprintResult(sha256, compute_fingerprint(fetched.file))
                reason = f"{uri} is another file since it was embedded"
        except Rejected as rejected:
            reason = f"{rejected.reason}: {rejected.message}"
        except Exception as error:  # of the store or the network: the next call tries again
            reason = f"unreadable now: {type(error).__name__}: {error}"
    return FingerprintResult(sha256, None, reason)


def compute_fingerprint(file: BinaryIO) -> bytes:
    """Compute the fingerprint of the first ten minutes of an open audio file.

    Raises Rejected if the file cannot be decoded or holds less than three seconds of sound.
    """
    inspector = AudioInspector(ACCEPTABLE)
    sound = _decode_mono(file, inspector, first_channel=False)
    if "phase_cancelled" in inspector.finish().verdicts:
        sound = _decode_mono(file, AudioInspector(ACCEPTABLE), first_channel=True)
    words = subfingerprints(sound)
    if np.count_nonzero(words) < _LEAST_WORDS:
        raise Rejected("too_short", "under three seconds of sound")
    return _FORMAT + words.astype("<u4").tobytes()


def subfingerprints(sound: np.ndarray) -> np.ndarray:
    """Compute the words of mono audio: float32 [samples] at RATE -> uint32 [frames - 1].

    A word is 0 in silence.
    """
    if len(sound) < FRAME + HOP:
        return np.zeros(0, np.uint32)
    frames = np.lib.stride_tricks.sliding_window_view(sound, FRAME)[::HOP]
    taper = np.hanning(FRAME).astype(np.float32)
    frequencies = np.fft.rfftfreq(FRAME, 1 / RATE)
    bands = ((frequencies[:, None] >= _BANDS[:-1]) & (frequencies[:, None] < _BANDS[1:])).astype(np.float32)
    energies = np.concatenate(
        [
            np.abs(np.fft.rfft(frames[start : start + _FRAMES_AT_ONCE] * taper)) ** 2 @ bands
            for start in range(0, len(frames), _FRAMES_AT_ONCE)
        ]
    )
    bits = np.diff(energies[:, :-1] - energies[:, 1:], axis=0) > 0
    words = np.packbits(bits, axis=1, bitorder="little").view("<u4")[:, 0]
    frame_energies = energies.sum(axis=1)
    is_audible = frame_energies[1:] > _SILENCE * frame_energies.max()
    return np.where(is_audible, words, 0).astype(np.uint32)


def bit_error_rate(left: bytes, right: bytes, seconds: float) -> float:
    """Return the share of differing bits of two fingerprints at their best shift.

    The shift is at most `seconds`. The overlap must hold half of the audible words of the shorter fingerprint. 0.5 is
    chance; the rate is 1 if too few words are audible in both.
    """
    left_words, right_words = (np.frombuffer(stored, "<u4", offset=len(_FORMAT)) for stored in (left, right))
    max_shift = round(seconds * RATE / HOP)
    least_words = max(_LEAST_WORDS, min(np.count_nonzero(left_words), np.count_nonzero(right_words)) // 2)
    return min(
        _error_rate(left_words[max(0, shift) :], right_words[max(0, -shift) :], least_words)
        for shift in range(-max_shift, max_shift + 1)
    )


def _error_rate(left: np.ndarray, right: np.ndarray, least_words: int) -> float:
    length = min(len(left), len(right))
    left, right = left[:length], right[:length]
    audible_in_both = (left != 0) & (right != 0)
    words = np.count_nonzero(audible_in_both)
    if words < least_words:
        return 1.0
    return float(np.bitwise_count(left ^ right)[audible_in_both].sum(dtype=np.int64) / (32 * words))


def _decode_mono(file: BinaryIO, inspector: AudioInspector, first_channel: bool) -> np.ndarray:
    """Decode the first ten minutes to float32 [samples] at RATE.

    The result is the channels' mean or, with `first_channel`, the first channel.
    """
    mono = (
        (inspector.measure(chunk.samples, chunk.rate)[1 if first_channel else 0], chunk.rate)
        for chunk in decode(file, inspector)
    )
    pieces, samples = [np.zeros(0, np.float32)], 0
    for piece in resample(mono, RATE):
        pieces.append(piece)
        samples += len(piece)
        if samples >= _MAX_SECONDS * RATE:
            break
    return np.concatenate(pieces)[: _MAX_SECONDS * RATE]
