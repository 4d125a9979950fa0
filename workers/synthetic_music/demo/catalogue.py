"""A labelled music catalogue of composed and rendered solos and ensembles.

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

from workers.synthetic_music.demo.files import is_complete, write_atomically, write_audio
from workers.synthetic_music.demo.solos import SOLOS
from workers.synthetic_music.demo.styles import STYLES
from workers.synthetic_music.demo.synthesis import soundfont_path, synthesise
from workers.synthetic_music.score.songs import Song
from workers.synthetic_music.score.style import Style

SUFFIXES = ("wav", "flac", "ogg")
COLUMNS = ("uri", "title", "artist", "album", "genres", "year", "tags", "description")
SEEDS_PER_CATALOGUE = 1_000_000  # at most so many pieces of one catalogue seed, so that no two pieces share a seed
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
    """One track of the catalogue: its labels, and all that rendering needs."""

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
    """Return every kind of piece: two solos, an ensemble, and so on.

    The order makes a small catalogue varied too.
    """
    pairs = zip(SOLOS[::2], SOLOS[1::2], STYLES, strict=True)
    return [style for group in pairs for style in group]


def compose_pieces(count: int = 60, seed: int = 0) -> list[Piece]:
    """Return the first `count` pieces of a seed's catalogue.

    They are of 60 kinds, then of the same kinds with other seeds.
    """
    return [_compose(style, index, seed) for index, style in enumerate(islice(cycle(kinds()), count))]


def render_piece(piece: Piece, folder: Path) -> Path:
    """Render one piece to a file, unless the complete file exists, and return the path.

    Two renders hold the same samples.
    """
    path = folder / piece.file
    if not is_complete(path, piece.seconds):
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
    """Render a catalogue and return the path of its manifest.

    Complete files are kept, so a stopped run can be resumed. `seconds` sets the length of every piece. `on_piece` gets
    (done, total). Threads suffice, because the synthesizer and the encoders release Python's lock.
    """
    soundfont_path()
    folder.mkdir(parents=True, exist_ok=True)
    chosen = compose_pieces(count, seed)
    if seconds is not None:
        chosen = [replace(piece, seconds=seconds) for piece in chosen]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for done, _ in enumerate(pool.map(partial(render_piece, folder=folder), chosen), start=1):
            on_piece(done, count)
    manifest = folder / "manifest.csv"
    write_atomically(manifest, partial(_write_manifest, chosen))
    return manifest


def _compose(style: Style, index: int, seed: int) -> Piece:
    song = Song.compose(style, seed * SEEDS_PER_CATALOGUE + index)
    rng = np.random.default_rng((song.seed, 1))
    key = () if "rhythm" in style.tags else ("minor key",) if song.is_minor else ("major key",)
    instrument = (style.name,) if "solo" in style.tags else ()
    first_year, last_year = YEARS.get(style.name, (1960, 2024))
    return Piece(
        name=f"{song.seed:05d}-{style.name.replace(' ', '-')}",
        title=_title(index, seed),
        artist=f"{_pick(rng, FIRST)} {_pick(rng, LAST)}",
        album=f"Rendered Sessions {index // len(kinds()) + 1}",
        year=int(rng.integers(first_year, last_year + 1)),
        genres=style.genres,
        tags=tuple(dict.fromkeys((*instrument, *style.tags, song.tempo, *key, "instrumental"))),
        sentence=style.sentence.format(tempo=song.tempo),
        programs=song.programs,
        seconds=int(rng.integers(20, 41)),
        suffix=SUFFIXES[(index + index // len(SUFFIXES)) % len(SUFFIXES)],  # over the rounds, a kind gets every format
        song=song,
    )


def _title(index: int, seed: int) -> str:
    """Return a title.

    Titles differ until all pairs of words are used; further titles have a number.
    """
    order = np.random.default_rng(seed).permutation(len(ADJECTIVES) * len(NOUNS))
    number, position = divmod(index, len(order))
    adjective, noun = divmod(int(order[position]), len(NOUNS))
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
