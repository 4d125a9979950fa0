"""The words of a clip: its tags, and sentences whose templates belong to its split."""

import re

import numpy as np
from numpy.random import Generator

from workers.synthetic_music.corpus.pieces import HELD_OUT, Piece
from workers.synthetic_music.score.voices import Voice

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
GROUPS = {"solo": "performance", "group": "small group"}  # words for them in a sentence
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
    """Return every tag that applies to the piece.

    These are instruments, families, genres, moods, tempo, key, mode, group and era.
    """
    words = [word for voice in piece.voices for word in (voice.name, *voice.families)]
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
    """Return whether the piece has a held-out word."""
    return not HELD_OUT.isdisjoint(tags(piece))


def moods(piece: Piece) -> tuple[str, ...]:
    """Return the moods of the style, else those that tempo and key suggest."""
    if piece.music.moods or not piece.is_tonal:
        return piece.music.moods
    return FEELING[piece.tempo, piece.is_minor]


def title(piece: Piece) -> str:
    """Return the title of the track."""
    return f"{piece.kind.capitalize()} {piece.piece_id.index + 1}"


def sentences(piece: Piece) -> list[str]:
    """Return three sentences from the split's own templates, with varied instrument names."""
    rng = np.random.default_rng((piece.seed, 1000))
    templates = TEMPLATES[piece.split]
    chosen = rng.permutation(len(templates))[:SENTENCES]
    return [_fill_template(templates[int(index)], piece, rng) for index in chosen]


def _fill_template(template: str, piece: Piece, rng: Generator) -> str:
    players = [_voice_name(voice, rng) for voice in piece.voices]
    if piece.music.group == "solo":
        players = [f"solo {players[0]}"]
    text = template.format(
        tempo=_choose(rng, TEMPO[piece.tempo]),
        genre=_choose(rng, piece.music.genres),
        mood=_choose(rng, moods(piece) or ("rhythmic",)),
        players=_join_names(players),
        lead=players[0],
        group=GROUPS.get(piece.music.group, piece.music.group),
        era=piece.music.era,
        key=_key_phrase(piece, rng),
    )
    text = re.sub(r"\s+([.,;:])", r"\1", re.sub(r"\s+", " ", text)).strip()
    text = re.sub(r"\b([Aa]) (?=[aeiou8])", r"\1n ", text)
    return text[0].upper() + text[1:]


def _voice_name(voice: Voice, rng: Generator) -> str:
    """Return the voice's first name in every second case, else another name."""
    return voice.name if rng.random() < 0.5 else _choose(rng, voice.other_names)


def _choose(rng: Generator, words: tuple[str, ...]) -> str:
    return words[int(rng.integers(len(words)))]


def _join_names(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _key_phrase(piece: Piece, rng: Generator) -> str:
    """Return a phrase for the key or mode, or without a key, for the rhythm."""
    if not piece.is_tonal:
        return "as a steady rhythm" if "soundscape" not in piece.music.genres else "as a sound effect"
    key = "in a minor key" if piece.is_minor else "in a major key"
    mode = MODES.get(piece.scale)
    return f"in the {mode}" if mode and rng.random() < 0.4 else key
