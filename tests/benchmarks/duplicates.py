"""Fingerprints of duplicates: the separation of true and false pairs, and the speed.

python -m tests.benchmarks.duplicates [STEP]
"""

import io
import sys
import time

import numpy as np

from schemas.audio import ACCEPTABLE, MAX_BIT_ERROR_RATE
from tests.audio_files import sndfile
from tests.benchmarks.figures import Figure, record_figures
from tests.rendered_twins import encodes, others, remix, sound
from workers.audio.decode import decode
from workers.audio.fingerprint import bit_error_rate, compute_fingerprint
from workers.audio.verdicts import AudioInspector
from workers.metrics.neighbours import unit_rows
from workers.metrics.pairs import LengthIndex, keep_mutual
from workers.synthetic_music.demo.catalogue import kinds
from workers.synthetic_music.score.songs import Song

SECONDS, SHIFT = 20, 6.0


def print_separation(step: int) -> None:
    """Print the bit error rates of every `step`-th kind of piece, by sort of pair."""
    rates: dict[str, list[tuple[float, str]]] = {}
    for style in kinds()[::step]:
        song = Song.compose(style, 1)
        samples = sound(song, SECONDS)
        fingerprint = compute_fingerprint(io.BytesIO(sndfile(samples)))
        for name, data in encodes(samples):
            rates.setdefault(f"same: {name}", []).append((_rate(fingerprint, data), style.name))
        for name, other in others(style, song, SECONDS):
            rates.setdefault(f"other: {name}", []).append((_rate(fingerprint, sndfile(other)), style.name))
        if (mixed := remix(song, SECONDS)) is not None:
            rates.setdefault("remix: one player changed", []).append((_rate(fingerprint, sndfile(mixed)), style.name))
        print(style.name, file=sys.stderr)
    for name, pairs in rates.items():
        low, middle, high = min(pairs), np.median([rate for rate, _ in pairs]), max(pairs)
        print(f"{name:52s} {len(pairs):3d}  {low[0]:.3f} ({low[1]})  {middle:.3f}  {high[0]:.3f} ({high[1]})")
    same, apart = (
        [rate for name in rates if name.startswith(sort) for rate, _ in rates[name]] for sort in ("same", "other")
    )
    under, over = (np.array(same) <= MAX_BIT_ERROR_RATE).sum(), (np.array(apart) > MAX_BIT_ERROR_RATE).sum()
    print(
        f"at {MAX_BIT_ERROR_RATE}: {under} of {len(same)} of the same are accepted, {over} "
        f"of {len(apart)} others are rejected"
    )


def _rate(fingerprint: bytes, data: bytes) -> float:
    return bit_error_rate(fingerprint, compute_fingerprint(io.BytesIO(data)), SHIFT)


def print_speed() -> None:
    """Print the time of fingerprints against decoding, and of pairs by length against all pairs."""
    name, data = list(encodes(sound(Song.compose(kinds()[2], 1), 120)))[2]
    fingerprint_seconds, decode_seconds = (_seconds(work, io.BytesIO(data)) for work in (compute_fingerprint, _decode))
    print(
        f"fingerprint of two minutes of {name}: {fingerprint_seconds:.2f} s, "
        f"{fingerprint_seconds / decode_seconds:.1f} x decoding alone"
    )
    fingerprint = compute_fingerprint(io.BytesIO(data))
    compare_seconds = _seconds(bit_error_rate, fingerprint, fingerprint, SHIFT)
    print(f"comparing two of them, shifted by up to {SHIFT} s: {1000 * compare_seconds:.0f} ms")
    rng = np.random.default_rng(0)
    rows, lengths = unit_rows(rng.standard_normal((40_000, 200))), rng.gamma(16, 15, 40_000)
    by_length, whole = (_seconds(_pairs, rows, lengths, tolerance) for tolerance in (5.0, 1e6))
    print(
        f"40,000 tracks of 200 numbers: {by_length:.1f} s by length, {whole / by_length:.1f} x faster than all by all"
    )
    record_figures(
        "duplicates",
        {
            "times_decoding": Figure(fingerprint_seconds / decode_seconds, "x decoding alone"),
            "compare_ms": Figure(1000 * compare_seconds, "ms"),
            "times_faster": Figure(whole / by_length, "x faster than all by all", True),
        },
    )


def _decode(file: io.BytesIO) -> None:
    for _ in decode(file, AudioInspector(ACCEPTABLE)):
        pass


def _pairs(rows: np.ndarray, lengths: np.ndarray, tolerance: float) -> None:
    index = LengthIndex.build(rows, lengths, tolerance)
    keep_mutual([index.search(block, 0.9) for block in index.blocks], len(rows))


def _seconds(work, *arguments) -> float:
    started = time.perf_counter()
    work(*arguments)
    return time.perf_counter() - started


if __name__ == "__main__":
    print_speed()
    print_separation(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
