"""A labelled music catalogue, composed and rendered here: solo instruments and ensembles, files and a manifest.

from workers.synthetic_music.demo.catalogue import render_catalogue
render_catalogue(Path("demo-data"), count=60, seed=0)
"""

import csv
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import cycle, islice
from pathlib import Path

import numpy as np

from workers.synthetic_music.demo.files import is_whole, write_audio, write_whole
from workers.synthetic_music.demo.solos import SOLOS
from workers.synthetic_music.demo.styles import STYLES, Style
from workers.synthetic_music.demo.synthesis import soundfont, synthesise
from workers.synthetic_music.score.songs import Song

SUFFIXES = ("wav", "flac", "ogg")
COLUMNS = ("uri", "title", "artist", "album", "genres", "year", "tags", "description")
SEEDS = 1_000_000  # pieces of one catalogue seed, so that no two share a seed of their own
YEARS = {"synth pop": (1980, 1989), "techno": (1990, 2024), "drum and bass": (1993, 2024), "hip hop": (1988, 2024)}

ADJECTIVES = (
    "Amber Quiet Silver Distant Paper Golden Hidden Winter Crimson Gentle Broken Early Hollow Northern Velvet Copper "
    "Lonely Electric Wandering Painted Secret Falling Little Last"
).split()
NOUNS = (
    "River Lantern Harbour Garden Meadow Letter Window Orchard Mirror Station Valley Ember Island Compass Feather "
    "Bridge Shadow Carousel Horizon Market Staircase Thunder Postcard Anchor"
).split()
FIRST = "Ada Bruno Clara Dario Edda Felix Greta Hugo Ines Jonas Kaja Leon Mira Nils Orla Pavel".split()
LAST = "Arvane Bellmore Castory Dunwick Eskeland Farrowby Grenmore Halvard Istrane Kellaby Lindmark Morvane".split()


@dataclass(frozen=True, slots=True)
class Piece:
    """One track of the catalogue: its labels, and all that is needed to render it again."""

    name: str
    title: str
    artist: str
    album: str
    year: int
    genres: tuple[str, ...]
    tags: tuple[str, ...]
    sentence: str
    programs: tuple[int, ...]
    seconds: int
    suffix: str
    song: Song

    @property
    def file(self) -> str:
        """The file's name in the catalogue's folder."""
        return f"{self.name}.{self.suffix}"


def kinds() -> list[Style]:
    """Every kind of piece, an ensemble after each two solos, so that a small catalogue is varied too."""
    pairs = zip(SOLOS[::2], SOLOS[1::2], STYLES, strict=True)
    return [style for group in pairs for style in group]


def pieces(count: int = 60, seed: int = 0) -> list[Piece]:
    """The first `count` pieces of a seed's catalogue: 60 kinds, then the same kinds from other seeds."""
    return [_piece(style, index, seed) for index, style in enumerate(islice(cycle(kinds()), count))]


def render(piece: Piece, folder: Path) -> Path:
    """Renders one piece, unless a whole file of it is there; two renders hold the same samples."""
    path = folder / piece.file
    if not is_whole(path, piece.seconds):
        labels = {"title": piece.title, "artist": piece.artist, "album": piece.album, "genre": ";".join(piece.genres)}
        write_audio(path, synthesise(piece.song.play(piece.seconds), piece.seconds), labels)
    return path


def render_catalogue(
    folder: Path,
    count: int = 60,
    seed: int = 0,
    seconds: int | None = None,
    on_piece: Callable[[int, int], None] = lambda *_: None,
) -> Path:
    """Renders a catalogue and returns its manifest; files that are there are kept, so it can be run again.

    `seconds` gives every piece that length. `on_piece` hears (done, total). Threads are enough: the synthesizer and
    the encoders work outside Python's lock.
    """
    soundfont()
    folder.mkdir(parents=True, exist_ok=True)
    chosen = pieces(count, seed)
    if seconds is not None:
        chosen = [replace(piece, seconds=seconds) for piece in chosen]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for done, _ in enumerate(pool.map(partial(render, folder=folder), chosen), start=1):
            on_piece(done, count)
    manifest = folder / "manifest.csv"
    write_whole(manifest, partial(_write_manifest, chosen))
    return manifest


def _piece(style: Style, index: int, seed: int) -> Piece:
    song = Song.of(style, seed * SEEDS + index)
    rng = np.random.default_rng((song.seed, 1))
    key = () if "rhythm" in style.tags else ("minor key",) if song.is_minor else ("major key",)
    named = (style.name,) if "solo" in style.tags else ()
    first_year, last_year = YEARS.get(style.name, (1960, 2024))
    return Piece(
        name=f"{song.seed:05d}-{style.name.replace(' ', '-')}",
        title=_title(index, seed),
        artist=f"{_pick(rng, FIRST)} {_pick(rng, LAST)}",
        album=f"Rendered Sessions {index // len(kinds()) + 1}",
        year=int(rng.integers(first_year, last_year + 1)),
        genres=style.genres,
        tags=tuple(dict.fromkeys((*named, *style.tags, song.tempo, *key, "instrumental"))),
        sentence=style.sentence.format(tempo=song.tempo),
        programs=song.programs,
        seconds=int(rng.integers(20, 41)),
        suffix=SUFFIXES[(index + index // len(SUFFIXES)) % len(SUFFIXES)],  # a kind meets every format in its turn
        song=song,
    )


def _title(index: int, seed: int) -> str:
    """Titles differ until all pairs of words are used; then they carry a number."""
    order = np.random.default_rng(seed).permutation(len(ADJECTIVES) * len(NOUNS))
    number, place = divmod(index, len(order))
    adjective, noun = divmod(int(order[place]), len(NOUNS))
    return f"{ADJECTIVES[adjective]} {NOUNS[noun]}" + (f" No. {number + 1}" if number else "")


def _pick(rng: np.random.Generator, words: list[str]) -> str:
    return words[int(rng.integers(len(words)))]


def _write_manifest(chosen: list[Piece], path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(COLUMNS)
        for piece in chosen:
            genres, tags = ";".join(piece.genres), ";".join(piece.tags)
            labels = (piece.title, piece.artist, piece.album, genres, piece.year, tags, piece.sentence)
            rows.writerow((piece.file, *labels))
