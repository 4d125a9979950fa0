"""What is said of a clip: its tags, and sentences whose wording belongs to its split."""

import re

import numpy as np
from numpy.random import Generator

from workers.synthetic_music.corpus.pieces import HELD_OUT, Piece
from workers.synthetic_music.corpus.voices import Voice

SENTENCES = 3
MODES = {
    "dorian": "dorian mode",
    "phrygian": "phrygian mode",
    "lydian": "lydian mode",
    "mixolydian": "mixolydian mode",
    "pentatonic": "pentatonic scale",
    "minor pentatonic": "pentatonic scale",
    "harmonic minor": "harmonic minor scale",
    "bhairav": "raga scale",
    "hirajoshi": "pentatonic scale",
}
TEMPO = {
    "slow": ("slow", "leisurely", "unhurried", "downtempo"),
    "mid-tempo": ("mid-tempo", "moderate", "steady"),
    "fast": ("fast", "brisk", "up-tempo", "quick"),
}
FEELING = {
    ("slow", True): ("sad", "melancholic"),
    ("mid-tempo", True): ("serious", "dark"),
    ("fast", True): ("dramatic", "intense"),
    ("slow", False): ("calm", "gentle"),
    ("mid-tempo", False): ("warm", "pleasant"),
    ("fast", False): ("happy", "cheerful"),
}
GROUPS = {"solo": "performance", "group": "small group"}  # as a sentence calls them
TEMPLATES = {
    "train": (
        "A {tempo} {genre} piece for {players}.",
        "{players}, {mood} and {tempo}, {key}.",
        "This is {mood} {genre} music played by {players}.",
        "A {mood} {group} of {players} playing {genre} at a {tempo} pace.",
        "{tempo} {genre} {key} with {players}.",
        "The recording features {players}; the mood is {mood}.",
        "Instrumental {genre}: {players} {key}.",
        "A {mood} track with {lead}, {era} {genre} in character.",
        "{lead} stands in front in this {tempo} {genre} {group}.",
        "Music for {players}, {mood}, {tempo} and without vocals.",
        "{genre} for {group}: {players}.",
        "It sounds {mood}; one hears {players}.",
    ),
    "valid": (
        "{players} can be heard in this {mood} {genre} clip.",
        "An example of {tempo} {genre}, {mood} in tone, by {players}.",
        "{group} music, {genre}, led by {lead}, {key}.",
        "{tempo}, {mood}: {players}.",
    ),
    "test": (
        "I am looking for {mood} {genre} featuring {players}.",
        "A short excerpt of {era} {genre}: {tempo}, {mood}, with {lead}.",
        "Here {players} perform a {tempo} tune {key}.",
        "{mood} background music with {players}.",
        "Someone plays {genre} on {players} in a {mood} way.",
        "{lead} and a {tempo} {genre} feel, {key}.",
    ),
}


def tags(piece: Piece) -> list[str]:
    """Every word that is true of the piece: instruments, families, genres, moods, tempo, key, mode, group, era."""
    words = [word for voice in piece.voices for word in (voice.name, *voice.family)]
    words += [
        *piece.music.genres,
        *moods(piece),
        piece.tempo,
        piece.music.group,
        "rhythm" if not piece.is_tonal else "",
    ]
    if piece.is_tonal:
        words += ["minor key" if piece.is_minor else "major key", MODES.get(piece.scale, "")]
    words += [piece.music.era, "instrumental"]
    return [word for word in dict.fromkeys(words) if word]


def is_held_out(piece: Piece) -> bool:
    return not HELD_OUT.isdisjoint(tags(piece))


def moods(piece: Piece) -> tuple[str, ...]:
    """Those of the style; where it has none, what its tempo and key suggest."""
    if piece.music.moods or not piece.is_tonal:
        return piece.music.moods
    return FEELING[piece.tempo, piece.is_minor]


def title(piece: Piece) -> str:
    return f"{piece.kind.capitalize()} {piece.place.index + 1}"


def sentences(piece: Piece) -> list[str]:
    """Three sentences of the split's own wording, with instruments under any of their names."""
    rng = np.random.default_rng((piece.seed, 1000))
    templates = TEMPLATES[piece.split]
    chosen = rng.permutation(len(templates))[:SENTENCES]
    return [_sentence(templates[int(place)], piece, rng) for place in chosen]


def _sentence(template: str, piece: Piece, rng: Generator) -> str:
    players = [_name(voice, rng) for voice in piece.voices]
    if piece.music.group == "solo":
        players = [f"solo {players[0]}"]
    text = template.format(
        tempo=_one(rng, TEMPO[piece.tempo]),
        genre=_one(rng, piece.music.genres),
        mood=_one(rng, moods(piece) or ("rhythmic",)),
        players=_listed(players),
        lead=players[0],
        group=GROUPS.get(piece.music.group, piece.music.group),
        era=piece.music.era,
        key=_key(piece, rng),
    )
    text = re.sub(r"\s+([.,;:])", r"\1", re.sub(r"\s+", " ", text)).strip()
    text = re.sub(r"\b([Aa]) (?=[aeiou8])", r"\1n ", text)
    return text[0].upper() + text[1:]


def _name(voice: Voice, rng: Generator) -> str:
    """Its first name in every second sentence, else another."""
    return voice.name if rng.random() < 0.5 else _one(rng, voice.also)


def _one(rng: Generator, words: tuple[str, ...]) -> str:
    return words[int(rng.integers(len(words)))]


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _key(piece: Piece, rng: Generator) -> str:
    """A phrase for the key or the mode; for what has none, that it keeps a rhythm."""
    if not piece.is_tonal:
        return "as a steady rhythm" if "soundscape" not in piece.music.genres else "as a sound effect"
    named = "in a minor key" if piece.is_minor else "in a major key"
    mode = MODES.get(piece.scale)
    return f"in the {mode}" if mode and rng.random() < 0.4 else named
