"""Gravis Ultrasound patches (.pat): samples of 8 or 16 bits with loops and envelopes.

samples = read_patch(path)
"""

import math
import struct
from pathlib import Path

import numpy as np

from schemas.errors import UserError
from workers.synthetic_music.sources.sampler import FLOOR, Sample

HEADER = 239  # bytes: of the file 129, of its instrument 63, of its layer 47
COUNT = 198  # where the number of samples is
SAMPLE_HEADER = struct.Struct("<7sB3IH3IHB6B6B3B3BB2H36x")
IS_16_BIT, IS_UNSIGNED, LOOPS, PING_PONG, REVERSE, SUSTAINS, HAS_ENVELOPE = (1 << bit for bit in range(7))
DECIBELS = 45 / 255  # an envelope's step
FASTEST = 8192 / 44_100  # seconds for a step at rate 1


def read_patch(path: Path) -> tuple[Sample, ...]:
    """Return the samples of a patch. Raises UserError if the file is no patch."""
    content = path.read_bytes()
    if not content.startswith(b"GF1PATCH1") or len(content) < HEADER:
        raise UserError(f"{path} is not a Gravis Ultrasound patch")
    samples, position = [], HEADER
    for _ in range(content[COUNT]):
        sample, position = _read_sample(content, position)
        samples.append(sample)
    return tuple(samples)


def _read_sample(content: bytes, position: int) -> tuple[Sample, int]:
    """Return the sample whose header is at the position, and the position after it."""
    fields = SAMPLE_HEADER.unpack_from(content, position)
    _fractions, size, loop_start, loop_stop, rate, _low, _high, root = fields[1:9]
    rates, offsets, modes = fields[11:17], fields[17:23], fields[29]
    start = position + SAMPLE_HEADER.size
    sound = _decode(content[start : start + size], modes)
    width = 2 if modes & IS_16_BIT else 1
    loop = (loop_start // width, min(len(sound), loop_stop // width))
    sustains = bool(modes & SUSTAINS)
    envelope = _read_envelope(rates, offsets, 3 if sustains else 6) if modes & HAS_ENVELOPE else ()
    release = _seconds(abs(offsets[2] - offsets[3]), rates[3]) if modes & HAS_ENVELOPE and sustains else 0.1
    sample = Sample(
        sound,
        rate,
        root=69 + 12 * math.log2(root / 440_000),
        loop=loop if modes & LOOPS and loop[1] - loop[0] > 8 else None,
        ping_pong=bool(modes & PING_PONG),
        envelope=envelope,
        release=min(max(release, 0.03), 1.0),
    )
    return sample, start + size


def _decode(content: bytes, modes: int) -> np.ndarray:
    """Return the samples' values as float32 [frames] between -1 and 1."""
    if modes & IS_16_BIT:
        values = np.frombuffer(content[: len(content) // 2 * 2], "<u2" if modes & IS_UNSIGNED else "<i2")
    else:
        values = np.frombuffer(content, np.uint8 if modes & IS_UNSIGNED else np.int8)
    half = np.float32(1 << (15 if modes & IS_16_BIT else 7))
    sound = values.astype(np.float32) / half - (1 if modes & IS_UNSIGNED else 0)
    return sound[::-1].copy() if modes & REVERSE else sound


def _read_envelope(rates: tuple[int, ...], offsets: tuple[int, ...], stages: int) -> tuple[tuple[float, float], ...]:
    """Return the points (seconds, dB) of the first stages."""
    points, seconds, level = [(0.0, FLOOR / 2)], 0.0, 0
    for rate, offset in zip(rates[:stages], offsets[:stages], strict=True):
        seconds += _seconds(abs(offset - level), rate)
        level = offset
        points.append((seconds, (offset - 255) * DECIBELS if offset else 2 * FLOOR))
    return tuple(points)


def _seconds(steps: int, rate: int) -> float:
    """Return how long an envelope takes for the steps.

    A rate has six bits and a scale of powers of 8.
    """
    scaled = (rate & 63) << 3 * (3 - (rate >> 6))
    return steps * FASTEST / max(scaled, 1)
