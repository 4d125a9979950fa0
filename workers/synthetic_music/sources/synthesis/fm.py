"""Frequency modulation: keys, bells, brass, winds, basses and leads.

The method is Chowning's (1973, Journal of the AES 21:7). The ratio of modulator to carrier sets the spectrum, the
index its brightness; indices follow the envelope.
"""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from workers.synthetic_music.sources.base import RATE
from workers.synthetic_music.sources.synthesis.amplifiers import chorus, pickup
from workers.synthetic_music.sources.synthesis.tones import Effect, Model, Pair, Tone, Tones, draw, envelope, vibrato


@dataclass(frozen=True, slots=True)
class Pairing:
    """A modulator and a carrier, as multiples of the tone's frequency.

    `index` is the peak of the modulation in radians, which falls to `rest` of it in `fall` seconds.
    """

    carrier: float
    modulator: float
    index: Pair
    level: float = 1.0
    fall: Pair = (0.1, 0.5)
    rest: float = 0.3
    ring: Pair | None = None  # seconds in which this pair decays to 1/e, if faster than the voice


@dataclass(frozen=True, slots=True)
class FmSpec:
    """A voice of pairs: ranges from which each clip draws.

    `ring` is seconds until 1/e at 440 Hz for what is struck, None for what is sustained.
    """

    pairs: tuple[Pairing, ...]
    ring: Pair | None = None
    attack: Pair = (0.002, 0.004)
    release: Pair = (0.08, 0.2)
    wobble: Pair = (0, 4)
    detune: Pair = (0, 3)
    players: int = 1
    swell: bool = False  # the index follows the attack, as in brass


def modulate(spec: FmSpec, effect: Effect | None = None) -> Model:
    """Return the model of a voice."""
    return Model(lambda tones, rng: _play(spec, tones, rng), effect)


def _play(spec: FmSpec, tones: Tones, rng: Generator) -> list[np.ndarray]:
    ring = draw(rng, *spec.ring) if spec.ring else None
    attack, release = draw(rng, *spec.attack), draw(rng, *spec.release)
    wobble, detune = rng.uniform(*spec.wobble), rng.uniform(*spec.detune)
    indices = [draw(rng, *pair.index) for pair in spec.pairs]
    falls = [draw(rng, *pair.fall) for pair in spec.pairs]
    rings = [draw(rng, *pair.ring) if pair.ring else None for pair in spec.pairs]
    levels = [pair.level * draw(rng, 0.6, 1.6) for pair in spec.pairs]
    sounds = []
    for tone in tones:
        amplitude = envelope(tone, min(attack, 0.4 * tone.seconds), release)
        time = np.arange(len(amplitude)) / RATE
        if ring:
            amplitude *= np.exp(-time / (ring * (440 / tone.frequency) ** 0.6))
        sound = np.zeros(len(time))
        for _ in range(spec.players):
            bend = vibrato(len(time), rng, wobble) * 2 ** (detune * rng.normal() / 1200)
            cycles = np.cumsum(tone.frequency / RATE * bend)
            for pair, index, fall, life, level in zip(spec.pairs, indices, falls, rings, levels, strict=True):
                bright = index * (0.3 + tone.velocity) * _darken(tone, pair)
                depth = bright * (pair.rest + (1 - pair.rest) * np.exp(-time / fall))
                depth = depth * np.minimum(1, amplitude * 1.2) if spec.swell else depth
                wave = np.sin(2 * np.pi * pair.carrier * cycles + depth * np.sin(2 * np.pi * pair.modulator * cycles))
                sound += level * (wave * np.exp(-time / life) if life else wave)
        sounds.append(sound * amplitude * tone.velocity)
    return sounds


def _darken(tone: Tone, pair: Pairing) -> float:
    """Return a factor of the index that keeps sidebands below 20 kHz."""
    room = (18_000 / tone.frequency - pair.carrier) / pair.modulator - 1
    return float(np.clip(room / (1.3 * max(pair.index) + 1), 0.02, 1.0))


def _bass(index: Pair, ratio: float = 1.0) -> FmSpec:
    return FmSpec(
        (Pairing(1, ratio, index, fall=(0.08, 0.4), rest=0.2), Pairing(0.5 if ratio > 1 else 1, 1, (0.3, 1))),
        (1.5, 4),
        release=(0.03, 0.08),
    )


STRIKE = (0.002, 0.003)
SLOW = (0.15, 0.5)
SPECS: dict[str, tuple[FmSpec, Effect | None]] = {
    "electric piano": (FmSpec((Pairing(1, 1, (0.5, 1.6), 1, (0.3, 1)), Pairing(1, 7, (0.2, 0.8), 0.4, (0.03, 0.1),
        0)), (1, 2.5)), pickup(0.4, 2)),
    "fm electric piano": (FmSpec((Pairing(1, 1, (0.4, 1.2), 1, (0.5, 2)), Pairing(1, 14, (0.5, 1.6), 0.6, (0.1, 0.4),
        0)), (1, 2.5), players=2, detune=(2, 6)), None),
    "celesta": (FmSpec((Pairing(1, 3, (0.3, 1), 1, (0.05, 0.2), 0), Pairing(1, 11, (0.1, 0.5), 0.3, (0.05, 0.1), 0)),
        (0.5, 1.2)), None),
    "glockenspiel": (FmSpec((Pairing(1, 2.756, (0.4, 1.2), 1, (0.2, 0.6), 0.1),), (1, 2.5), release=(0.8, 1.5)), None),
    "music box": (FmSpec((Pairing(1, 6.27, (0.2, 0.9), 1, (0.1, 0.4), 0), Pairing(2, 5, (0.2, 0.6), 0.2)), (0.6,
        1.3), release=(0.4, 1)), None),
    "vibraphone": (FmSpec((Pairing(1, 4, (0.2, 0.7), 1, (0.1, 0.3), 0),), (1, 2.5), wobble=(0, 3)), None),
    "marimba": (FmSpec((Pairing(1, 3.95, (0.5, 1.2), 1, (0.02, 0.05), 0),), (0.15, 0.3), release=(0.2, 0.4)), None),
    "xylophone": (FmSpec((Pairing(1, 3, (1, 2.2), 1, (0.02, 0.06), 0),), (0.08, 0.16), release=(0.2, 0.3)), None),
    "tubular bells": (FmSpec((Pairing(1, 1.4, (1.5, 4), 1, (0.8, 2), 0), Pairing(2, 2.8, (0.5, 1.5), 0.6)), (1.5, 3),
        release=(1, 2)), None),
    "tinkle bell": (FmSpec((Pairing(1, 2.8, (0.8, 2), 1, (0.3, 0.8), 0.1),), (0.8, 2), release=(0.8, 1.5)), None),
    "crystal synth": (FmSpec((Pairing(1, 3.5, (0.6, 1.6), 1, (0.2, 0.8)), Pairing(2, 7, (0.3, 0.9), 0.5)), (1, 2),
        release=(0.5, 1), players=2), None),
    "kalimba": (FmSpec((Pairing(1, 5.4, (0.4, 1.2), 1, (0.02, 0.06), 0.03),), (0.3, 0.7), release=(0.3, 0.5)), None),
    "steel drums": (FmSpec((Pairing(1, 2, (0.6, 1.5), 1, (0.1, 0.3)), Pairing(1, 1, (0.4, 1.2), 0.7, ring=(0.1,
        0.2))), (0.3, 0.6), release=(0.2, 0.4)), None),
    "woodblock": (FmSpec((Pairing(1, 1.6, (1, 2.5), 1, (0.005, 0.015), 0),), (0.03, 0.06), (0.001, 0.002)), None),
    "hammond organ": (FmSpec((Pairing(1, 1, (0.2, 0.8)), Pairing(0.5, 1, (0.1, 0.4), 0.6), Pairing(2, 1, (0.1, 0.5),
        0.5)), release=(0.02, 0.04)), chorus(0.2, 1.2)),
    "church organ": (FmSpec((Pairing(1, 1, (0.3, 1)), Pairing(2, 2, (0.3, 1), 0.6), Pairing(4, 2, (0.2, 0.8), 0.3)),
        attack=(0.03, 0.08), players=2, detune=(1, 3)), None),
    "harpsichord": (FmSpec((Pairing(1, 3, (1.5, 3), 1, (0.2, 0.6), 0.4), Pairing(2, 1, (1, 2.5), 0.6)), (0.7, 1.5),
        release=(0.04, 0.08)), None),
    "clavinet": (FmSpec((Pairing(1, 2, (2, 4), 1, (0.1, 0.3), 0.4), Pairing(1, 5, (0.8, 2), 0.5)), (0.8, 1.6),
        release=(0.02, 0.05)), pickup(0.5, 2)),
    "harp": (FmSpec((Pairing(1, 1, (0.5, 1.4), 1, (0.05, 0.2), 0.1), Pairing(1, 3, (0.3, 0.8), 0.3, (0.03, 0.08),
        0)), (0.4, 0.9), release=(0.3, 0.6)), None),
    "koto": (FmSpec((Pairing(1, 3, (0.8, 2), 1, (0.05, 0.2), 0.15), Pairing(1, 1, (0.8, 1.6), 0.7)), (0.5, 1),
        release=(0.2, 0.4)), None),
    "trumpet": (FmSpec((Pairing(1, 1, (3, 5), fall=(0.1, 0.4), rest=0.7),), None, (0.02, 0.06), wobble=(3, 14),
        swell=True), None),
    "trombone": (FmSpec((Pairing(1, 1, (2, 4), fall=(0.1, 0.4), rest=0.7),), None, (0.03, 0.08), wobble=(2, 10),
        swell=True), None),
    "tuba": (FmSpec((Pairing(1, 1, (1, 2.2), fall=(0.1, 0.4), rest=0.7),), None, (0.04, 0.08), wobble=(0, 4),
        swell=True), None),
    "french horn": (FmSpec((Pairing(1, 1, (0.8, 1.8), fall=(0.1, 0.4), rest=0.7),), None, (0.05, 0.1), wobble=(0, 8),
        swell=True), None),
    "brass section": (FmSpec((Pairing(1, 1, (2.5, 4.5), fall=(0.1, 0.4), rest=0.7),), None, (0.03, 0.07), wobble=(3,
        10), detune=(4, 9), players=3, swell=True), None),
    "synth brass": (FmSpec((Pairing(1, 1, (3, 6), fall=(0.15, 0.5), rest=0.5),), None, (0.02, 0.06), detune=(5, 10),
        players=2, swell=True), chorus(0.3, 1.5)),
    "soft synth brass": (FmSpec((Pairing(1, 1, (1.2, 2.5), fall=(0.2, 0.6), rest=0.5),), None, (0.06, 0.15),
        detune=(4, 9), players=2, swell=True), chorus(0.3, 1.5)),
    "clarinet": (FmSpec((Pairing(1, 2, (0.8, 1.8), fall=(0.05, 0.1), rest=0.8),), None, (0.03, 0.07), wobble=(0, 5),
        swell=True), None),
    "bassoon": (FmSpec((Pairing(3, 1, (0.8, 1.6), rest=0.8), Pairing(1, 1, (0.6, 1.2), 0.5)), None, (0.03, 0.06),
        wobble=(0, 10)), None),
    "oboe": (FmSpec((Pairing(2, 1, (1, 1.8), rest=0.8), Pairing(3, 1, (0.8, 1.5), 0.6)), None, (0.02, 0.05),
        wobble=(4, 16)), None),
    "flute": (FmSpec((Pairing(1, 1, (0.1, 0.4), fall=(0.05, 0.1), rest=0.8),), None, (0.05, 0.1), wobble=(5, 18),
        swell=True), None),
    "violin": (FmSpec((Pairing(1, 1, (1.5, 2.6), rest=0.7), Pairing(1, 3, (0.8, 1.4), 0.6, rest=0.7), Pairing(1, 4,
        (0.5, 1), 0.4)), None, (0.05, 0.12), wobble=(10, 28)), None),
    "electric bass": (_bass((1, 2.2)), None),
    "slap bass": (_bass((3, 6), 2), None),
    "synth bass": (_bass((2, 5)), None),
    "sub bass": (FmSpec((Pairing(1, 1, (0.1, 0.5)),), None, (0.005, 0.02), (0.05, 0.1)), None),
    "square lead": (FmSpec((Pairing(1, 2, (1.2, 2), rest=0.9),), None, (0.004, 0.01), (0.03, 0.1), (4, 14)), None),
    "saw lead": (FmSpec((Pairing(1, 1, (2, 4), rest=0.8),), None, (0.004, 0.01), (0.03, 0.1), (4, 14), (3, 8), 2),
        None),
    "bass and lead": (FmSpec((Pairing(1, 1, (2, 4)), Pairing(0.5, 1, (1, 2), 0.6)), None, (0.003, 0.008)), None),
    "metallic pad": (FmSpec((Pairing(1, 1.41, (1, 2.5), rest=0.7), Pairing(2, 3.5, (0.5, 1.2), 0.4)), None, SLOW,
        (0.4, 0.9), players=2), None),
    "new age pad": (FmSpec((Pairing(1, 1, (0.4, 1)), Pairing(2, 7, (0.8, 1.6), 0.5, ring=(0.3, 0.8))), None, (0.02,
        0.1), (0.5, 1), players=2, detune=(3, 7)), None),
    "warm pad": (FmSpec((Pairing(1, 1, (0.4, 1)), Pairing(0.5, 1, (0.2, 0.6), 0.4)), None, SLOW, (0.4, 0.9),
        players=2, detune=(4, 9)), None),
    "brightness synth": (FmSpec((Pairing(1, 3, (1, 2.2), rest=0.6), Pairing(2, 1, (1, 2), 0.5)), None, (0.03, 0.15),
        (0.3, 0.8), players=2), None),
    "bagpipes": (FmSpec((Pairing(2, 1, (2, 3.5), rest=1), Pairing(3, 1, (1.5, 3), 0.8, rest=1)), None, (0.005, 0.01),
        (0.01, 0.02)), None),
    "accordion": (FmSpec((Pairing(1, 2, (1, 2), rest=1), Pairing(2, 1, (0.8, 1.6), 0.7, rest=1)), None, (0.03, 0.07),
        players=2, detune=(4, 8)), None),
    "harmonica": (FmSpec((Pairing(2, 1, (1, 1.8), rest=0.9), Pairing(1, 1, (1, 2), 0.7, rest=0.9)), None, (0.03,
        0.06), wobble=(5, 22)), None),
}  # fmt: skip
MODELS = {name: modulate(spec, effect) for name, (spec, effect) in SPECS.items()}
