"""How far apart true and false pairs are, and what finding them takes. Run: python -m tests.benchmarks.duplicates"""

import io
import sys
import time

import numpy as np

from schemas.audio import ACCEPTABLE, MOST_BIT_ERRORS
from tests.audio_files import sndfile
from tests.rendered_twins import encodes, others, remix, sound
from workers.audio.decode import decode
from workers.audio.fingerprint import bit_error_rate, fingerprint
from workers.audio.verdicts import Notes
from workers.metrics.neighbours import unit_rows
from workers.metrics.pairs import ByLength, mutual
from workers.synthetic_music.demo.catalogue import kinds
from workers.synthetic_music.score.songs import Song

SECONDS, SHIFT = 20, 6.0


def separation(step: int) -> None:
    """Bit error rates of every `step`-th kind of piece, the worst of each sort of pair."""
    rates: dict[str, list[tuple[float, str]]] = {}
    for style in kinds()[::step]:
        song = Song.of(style, 1)
        heard = sound(song, SECONDS)
        own = fingerprint(io.BytesIO(sndfile(heard)))
        for name, data in encodes(heard):
            rates.setdefault(f"same: {name}", []).append((_rate(own, data), style.name))
        for name, other in others(style, song, SECONDS):
            rates.setdefault(f"other: {name}", []).append((_rate(own, sndfile(other)), style.name))
        if (mixed := remix(song, SECONDS)) is not None:
            rates.setdefault("remix: one player anew", []).append((_rate(own, sndfile(mixed)), style.name))
        print(style.name, file=sys.stderr)
    for name, found in rates.items():
        low, middle, high = min(found), np.median([rate for rate, _ in found]), max(found)
        print(f"{name:52s} {len(found):3d}  {low[0]:.3f} ({low[1]})  {middle:.3f}  {high[0]:.3f} ({high[1]})")
    same, apart = (
        [rate for name in rates if name.startswith(sort) for rate, _ in rates[name]] for sort in ("same", "other")
    )
    under, over = (np.array(same) <= MOST_BIT_ERRORS).sum(), (np.array(apart) > MOST_BIT_ERRORS).sum()
    print(
        f"at {MOST_BIT_ERRORS}: {under} of {len(same)} of the same are told, {over} of {len(apart)} others are refuted"
    )


def _rate(own: bytes, data: bytes) -> float:
    return bit_error_rate(own, fingerprint(io.BytesIO(data)), SHIFT)


def speed() -> None:
    """Fingerprints beside decoding alone; pairs by length beside the whole matrix."""
    name, data = list(encodes(sound(Song.of(kinds()[2], 1), 120)))[2]
    heard, decoded = (_seconds(work, io.BytesIO(data)) for work in (fingerprint, _decoded))
    print(f"fingerprint of two minutes of {name}: {heard:.2f} s, {heard / decoded:.1f} x decoding alone")
    own = fingerprint(io.BytesIO(data))
    print(
        f"comparing two of them, shifted by up to {SHIFT} s: {1000 * _seconds(bit_error_rate, own, own, SHIFT):.0f} ms"
    )
    rng = np.random.default_rng(0)
    rows, lengths = unit_rows(rng.standard_normal((40_000, 200))), rng.gamma(16, 15, 40_000)
    by_length, whole = (_seconds(_pairs, rows, lengths, tolerance) for tolerance in (5.0, 1e6))
    print(
        f"40,000 tracks of 200 numbers: {by_length:.1f} s by length, {whole / by_length:.1f} x faster than all by all"
    )


def _decoded(file: io.BytesIO) -> None:
    for _ in decode(file, Notes(ACCEPTABLE)):
        pass


def _pairs(rows: np.ndarray, lengths: np.ndarray, tolerance: float) -> None:
    found = ByLength.of(rows, lengths, tolerance)
    mutual([found.nearest(block, 0.9) for block in found.blocks], len(rows))


def _seconds(work, *arguments) -> float:
    started = time.perf_counter()
    work(*arguments)
    return time.perf_counter() - started


if __name__ == "__main__":
    speed()
    separation(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
