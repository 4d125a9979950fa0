"""The clips of a corpus: style, players, key and tempo, chosen by seed and split."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count, islice
from typing import TypeVar

import numpy as np
from numpy.random import Generator

from schemas.benchmarks import SPLITS
from workers.synthetic_music.corpus.patterns import Pattern, draw_pattern
from workers.synthetic_music.corpus.players import LEVELS, Player
from workers.synthetic_music.corpus.solos import IDIOMS, MANNERS, Idiom
from workers.synthetic_music.corpus.styles import STYLES, Ensemble
from workers.synthetic_music.score.harmony import Harmony, chord
from workers.synthetic_music.score.notes import Note
from workers.synthetic_music.score.songs import humanise
from workers.synthetic_music.score.voices import PERCUSSION, PITCHED, VOICES, Voice

SPLIT_FRACTIONS = {"train": 0.7, "valid": 0.1, "test": 0.2}
SEEDS_PER_SPLIT = 1_000_000  # at most so many clips of one seed and split, so that no two clips share a seed
# Words for the evaluation of words that training never saw: clips with any of them are marked.
HELD_OUT = frozenset(
    "banjo;bluegrass;sitar;indian;bagpipes;scottish;harmonica;blues;koto;japanese;steel drums;caribbean".split(";")
)
ORDER = "SESESDESESESDESESESE"  # solos, ensembles and duets among twenty successive clips
ACCOMPANISTS = ("piano", "classical guitar", "string ensemble", "harp", "acoustic guitar", "electric piano", "marimba")
ACCOMPANIMENT_ROLES = {
    "guitar": "comp fingerpicking",
    "pad": "pad pad",
    "harp": "sweep sweep",
    "mallet": "comp arpeggio",
}
MUSICAL = tuple(voice for voice in PITCHED if voice.idioms != ("soundscape",))
JITTER = 2.0  # dB, at most, by which a player is louder or softer than usual

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PieceId:
    """The split, index and seed of a piece in its corpus; seeds are distinct."""

    split: str
    index: int
    seed: int


@dataclass(frozen=True, slots=True)
class Piece:
    """One composed clip; `music` holds the words that describe it."""

    piece_id: PieceId
    kind: str
    players: tuple[Player, ...]
    progression: Pattern
    bpm: int
    tonic: int
    music: Idiom | Ensemble

    @property
    def split(self) -> str:
        return self.piece_id.split

    @property
    def seed(self) -> int:
        return self.piece_id.seed

    @property
    def name(self) -> str:
        """The name of the file and of the track."""
        return f"{self.split}-{self.piece_id.index:05d}-{self.kind.replace(' ', '-').replace('&', 'n')}"

    @property
    def scale(self) -> str:
        return self.progression.text.split(":")[0]

    @property
    def is_tonal(self) -> bool:
        """Whether the piece has an audible key: percussion and noises have none."""
        return not self.progression.name.startswith("none/")

    @property
    def is_minor(self) -> bool:
        """Whether the tonic's chord is minor, or without such a chord, the scale's third."""
        tones = [
            symbol for symbol in self.progression.text.split(":")[1].split() if symbol.lower().rstrip("maj67") == "i"
        ]
        return tones[0][0] == "i" if tones else self.scale in ("minor", "harmonic minor", "dorian", "phrygian")

    @property
    def tempo(self) -> str:
        return "slow" if self.bpm < 85 else "mid-tempo" if self.bpm < 120 else "fast"

    @property
    def voices(self) -> tuple[Voice, ...]:
        """The distinct voices that play."""
        return tuple(dict.fromkeys(player.voice for player in self.players))

    @property
    def templates(self) -> list[str]:
        """The names of all patterns in the piece; splits share none."""
        patterns = [self.progression, *(player.pattern for player in self.players)]
        return sorted({pattern.name for pattern in patterns if pattern.name})

    def play(self, seconds: float) -> list[tuple[Player, tuple[Note, ...]]]:
        """Return each player with its notes in seconds, cut at `seconds`."""
        beat = 60 / self.bpm
        chords = tuple(chord(symbol) for symbol in self.progression.text.split(":")[1].split())
        bars = math.ceil(seconds / (beat * self.music.beats))
        harmony = Harmony(self.tonic, self.scale, chords, self.music.beats, bars)
        played = []
        for index, player in enumerate(self.players):
            rng = np.random.default_rng((self.seed, 1 + index))
            played.append((player, humanise(rng, player.notes(rng, harmony), beat, seconds)))
        return played


def compose_pieces(clips: int, seed: int) -> list[Piece]:
    """Return all clips of a corpus, split by split.

    Equal arguments give equal pieces on any machine.
    """
    counts = {split: round(clips * fraction) for split, fraction in SPLIT_FRACTIONS.items()}
    return [piece for split in SPLITS for piece in islice(_compose_split(split, seed), counts[split])]


def _compose_split(split: str, seed: int) -> Iterator[Piece]:
    """Yield pieces without end; all voices and styles take turns, in the split's own order."""
    first = (seed * len(SPLITS) + SPLITS.index(split)) * SEEDS_PER_SPLIT
    order = np.random.default_rng((seed, SPLITS.index(split)))
    turns = {
        "S": _shuffled_rounds((*PITCHED, *PERCUSSION), order),
        "D": _shuffled_rounds(MUSICAL, order),
        "E": _shuffled_rounds(STYLES, order),
    }
    compose = {"S": _compose_solo, "D": _compose_duet, "E": _compose_ensemble}
    for index in count():
        sign = ORDER[index % len(ORDER)]
        yield compose[sign](next(turns[sign]), PieceId(split, index, first + index))


def _shuffled_rounds(choices: Sequence[T], rng: Generator) -> Iterator[T]:
    while True:
        yield from (choices[int(index)] for index in rng.permutation(len(choices)))


def pick(rng: Generator, choices: Sequence[T]) -> T:
    """Return one of the choices; all have equal chances."""
    return choices[int(rng.integers(len(choices)))]


def _make_player(rng: Generator, role: str, voice: Voice, split: str, softer: float = 0.0) -> Player:
    """Return a player with a pattern of its split; `role` is "TEXTURE POOL"."""
    texture, _, pool = role.partition(" ")
    pool = f"drums {pool}" if texture == "drums" else pool
    pattern = draw_pattern(rng, pool, split) if pool else Pattern("", "")
    return Player(voice, texture, pattern, LEVELS[texture] - softer + float(rng.uniform(-JITTER, JITTER)))


def _solo_players(rng: Generator, voice: Voice, split: str) -> list[Player]:
    if voice.manner in ("kit", "taps"):
        texture = "drums" if voice.manner == "kit" else "taps"
        return [_make_player(rng, f"{texture} {pick(rng, voice.idioms)}", voice, split)]
    return [_make_player(rng, role, voice, split) for role in pick(rng, MANNERS[voice.manner]).split(" + ")]


def _compose_solo(voice: Voice, piece_id: PieceId) -> Piece:
    rng = np.random.default_rng((piece_id.seed, 0))
    return _compose_in_idiom(rng, piece_id, f"solo {voice.name}", _solo_players(rng, voice, piece_id.split))


def _compose_duet(voice: Voice, piece_id: PieceId) -> Piece:
    """Compose a piece for a voice and an accompanist."""
    rng = np.random.default_rng((piece_id.seed, 0))
    other = VOICES[pick(rng, [name for name in ACCOMPANISTS if name != voice.name])]
    lead = _solo_players(rng, voice, piece_id.split)[-1]
    accompanist = _make_player(rng, ACCOMPANIMENT_ROLES.get(other.manner, "comp ballad"), other, piece_id.split, 2.0)
    return _compose_in_idiom(rng, piece_id, f"duet {voice.name} and {other.name}", [lead, accompanist])


def _compose_in_idiom(rng: Generator, piece_id: PieceId, kind: str, players: list[Player]) -> Piece:
    """Compose a piece in an idiom of the first player."""
    voice = players[0].voice
    idiom = IDIOMS["rhythm" if voice.is_percussion else pick(rng, voice.idioms)]
    return _compose(rng, piece_id, kind, players, replace(idiom, group=kind.split()[0]))


def _compose_ensemble(style: Ensemble, piece_id: PieceId) -> Piece:
    rng = np.random.default_rng((piece_id.seed, 0))
    players = []
    for line in style.roles:
        role, _, names = line.partition(":")
        voice = VOICES[pick(rng, names.split(",")).strip()]
        players.append(_make_player(rng, role, voice, piece_id.split))
    return _compose(rng, piece_id, style.name, players, style)


def _compose(rng: Generator, piece_id: PieceId, kind: str, players: list[Player], music: Idiom | Ensemble) -> Piece:
    progression = draw_pattern(rng, pick(rng, music.harmony), piece_id.split)
    bpm, tonic = int(rng.integers(music.bpm[0], music.bpm[1] + 1)), int(rng.integers(12))
    return Piece(piece_id, kind, tuple(players), progression, bpm, tonic, music)
