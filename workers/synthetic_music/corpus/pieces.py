"""The clips of a corpus: which style, who plays, in which key and how fast; all of it chosen by a seed and a split."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count, islice
from typing import TypeVar

import numpy as np
from numpy.random import Generator

from schemas.benchmarks import SPLITS
from workers.synthetic_music.corpus.patterns import Pattern, draw
from workers.synthetic_music.corpus.players import LEVELS, Player
from workers.synthetic_music.corpus.solos import IDIOMS, MANNERS, Idiom
from workers.synthetic_music.corpus.styles import STYLES, Ensemble
from workers.synthetic_music.corpus.voices import PERCUSSION, PITCHED, VOICES, Voice
from workers.synthetic_music.score.harmony import Harmony, chord
from workers.synthetic_music.score.notes import Note
from workers.synthetic_music.score.songs import in_seconds

SHARES = {"train": 0.7, "valid": 0.1, "test": 0.2}
SEEDS = 1_000_000  # clips of one seed and split at most, so that no two share a seed
# Words that a model may be judged on without training: clips with any of them are marked.
HELD_OUT = frozenset(
    "banjo;bluegrass;sitar;indian;bagpipes;scottish;harmonica;blues;koto;japanese;steel drums;caribbean".split(";")
)
ROUND = "SESESDESESESDESESESE"  # solos, ensembles and duets of twenty clips in a row
ACCOMPANISTS = ("piano", "classical guitar", "string ensemble", "harp", "acoustic guitar", "electric piano", "marimba")
BESIDE = {"guitar": "comp fingerpicking", "pad": "pad pad", "harp": "sweep sweep", "mallet": "comp arpeggio"}
MUSICAL = tuple(voice for voice in PITCHED if voice.idioms != ("soundscape",))
JITTER = 2.0  # dB by which a player is louder or softer than usual

Some = TypeVar("Some")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a piece stands in its corpus; no two places share a seed."""

    split: str
    index: int
    seed: int


@dataclass(frozen=True, slots=True)
class Piece:
    """One clip before it is played; `music` holds the words that are true of it."""

    place: Place
    kind: str
    players: tuple[Player, ...]
    progression: Pattern
    bpm: int
    tonic: int
    music: Idiom | Ensemble

    @property
    def split(self) -> str:
        return self.place.split

    @property
    def seed(self) -> int:
        return self.place.seed

    @property
    def name(self) -> str:
        """What the file and the track are called."""
        return f"{self.split}-{self.place.index:05d}-{self.kind.replace(' ', '-').replace('&', 'n')}"

    @property
    def scale(self) -> str:
        return self.progression.text.split(":")[0]

    @property
    def is_tonal(self) -> bool:
        """Whether a key can be heard: percussion and noises have none."""
        return not self.progression.name.startswith("none/")

    @property
    def is_minor(self) -> bool:
        """Whether the tonic's chord is minor, or where it has none, the scale's third."""
        tones = [
            symbol for symbol in self.progression.text.split(":")[1].split() if symbol.lower().rstrip("maj67") == "i"
        ]
        return tones[0][0] == "i" if tones else self.scale in ("minor", "harmonic minor", "dorian", "phrygian")

    @property
    def tempo(self) -> str:
        return "slow" if self.bpm < 85 else "mid-tempo" if self.bpm < 120 else "fast"

    @property
    def voices(self) -> tuple[Voice, ...]:
        """Who plays, each once."""
        return tuple(dict.fromkeys(player.voice for player in self.players))

    @property
    def templates(self) -> list[str]:
        """The names of every pattern in it: no two splits share one."""
        patterns = [self.progression, *(player.pattern for player in self.players)]
        return sorted({pattern.name for pattern in patterns if pattern.name})

    def play(self, seconds: float) -> list[tuple[Player, tuple[Note, ...]]]:
        """The notes of each player in seconds, cut at `seconds`."""
        beat = 60 / self.bpm
        chords = tuple(chord(symbol) for symbol in self.progression.text.split(":")[1].split())
        bars = math.ceil(seconds / (beat * self.music.beats))
        harmony = Harmony(self.tonic, self.scale, chords, self.music.beats, bars)
        played = []
        for index, player in enumerate(self.players):
            rng = np.random.default_rng((self.seed, 1 + index))
            played.append((player, in_seconds(rng, player.notes(rng, harmony), beat, seconds)))
        return played


def pieces(clips: int, seed: int) -> list[Piece]:
    """All clips of a corpus, split by split. The same numbers give the same pieces on any machine."""
    counts = {split: round(clips * share) for split, share in SHARES.items()}
    return [piece for split in SPLITS for piece in islice(_pieces(split, seed), counts[split])]


def _pieces(split: str, seed: int) -> Iterator[Piece]:
    """Endless: voices and styles each come in their turn, in an order of the split's own."""
    first = (seed * len(SPLITS) + SPLITS.index(split)) * SEEDS
    order = np.random.default_rng((seed, SPLITS.index(split)))
    turns = {"S": _rounds((*PITCHED, *PERCUSSION), order), "D": _rounds(MUSICAL, order), "E": _rounds(STYLES, order)}
    make = {"S": _solo, "D": _duet, "E": _ensemble}
    for index in count():
        sign = ROUND[index % len(ROUND)]
        yield make[sign](next(turns[sign]), Place(split, index, first + index))


def _rounds(choices: Sequence[Some], rng: Generator) -> Iterator[Some]:
    while True:
        yield from (choices[int(place)] for place in rng.permutation(len(choices)))


def _pick(rng: Generator, choices: Sequence[Some]) -> Some:
    return choices[int(rng.integers(len(choices)))]


def _player(rng: Generator, role: str, voice: Voice, split: str, softer: float = 0.0) -> Player:
    """`role` is "TEXTURE POOL"."""
    texture, _, pool = role.partition(" ")
    pool = f"drums {pool}" if texture == "drums" else pool
    pattern = draw(rng, pool, split) if pool else Pattern("", "")
    return Player(voice, texture, pattern, LEVELS[texture] - softer + float(rng.uniform(-JITTER, JITTER)))


def _alone(rng: Generator, voice: Voice, split: str) -> list[Player]:
    if voice.manner in ("kit", "taps"):
        texture = "drums" if voice.manner == "kit" else "taps"
        return [_player(rng, f"{texture} {_pick(rng, voice.idioms)}", voice, split)]
    return [_player(rng, role, voice, split) for role in _pick(rng, MANNERS[voice.manner]).split(" + ")]


def _solo(voice: Voice, place: Place) -> Piece:
    rng = np.random.default_rng((place.seed, 0))
    return _in_idiom(rng, place, f"solo {voice.name}", _alone(rng, voice, place.split))


def _duet(voice: Voice, place: Place) -> Piece:
    """A voice with an accompanist."""
    rng = np.random.default_rng((place.seed, 0))
    other = VOICES[_pick(rng, [name for name in ACCOMPANISTS if name != voice.name])]
    lead = _alone(rng, voice, place.split)[-1]
    beside = _player(rng, BESIDE.get(other.manner, "comp ballad"), other, place.split, 2.0)
    return _in_idiom(rng, place, f"duet {voice.name} and {other.name}", [lead, beside])


def _in_idiom(rng: Generator, place: Place, kind: str, players: list[Player]) -> Piece:
    """In a music that the first player is at home in."""
    voice = players[0].voice
    idiom = IDIOMS["rhythm" if voice.is_percussion else _pick(rng, voice.idioms)]
    return _piece(rng, place, kind, players, replace(idiom, group=kind.split()[0]))


def _ensemble(style: Ensemble, place: Place) -> Piece:
    rng = np.random.default_rng((place.seed, 0))
    players = []
    for line in style.roles:
        role, _, names = line.partition(":")
        voice = VOICES[_pick(rng, names.split(",")).strip()]
        players.append(_player(rng, role, voice, place.split))
    return _piece(rng, place, style.name, players, style)


def _piece(rng: Generator, place: Place, kind: str, players: list[Player], music: Idiom | Ensemble) -> Piece:
    progression = draw(rng, _pick(rng, music.harmony), place.split)
    bpm, tonic = int(rng.integers(music.bpm[0], music.bpm[1] + 1)), int(rng.integers(12))
    return Piece(place, kind, tuple(players), progression, bpm, tonic, music)
