"""Pieces that tonelake composes and renders itself: labels that are true by construction, and no download.

Catalogues of `workers.synthetic_music.demo.catalogue` in the folders seed-0, seed-1, ..., each with its manifest.csv.
"""

from pathlib import Path

from lake.benchmarks.readers.annotations import loader, table
from schemas.benchmarks import Benchmark, Clip, SourceFile

CORPUS = "rendered"
REVISION = "1"  # to be raised when the generator composes or renders otherwise
SEEDS = {"train": (0, 1, 2, 3), "valid": (4,), "test": (5, 6, 7)}
SOURCE = "tonelake evaluate rendered, which renders it"
_COLUMNS = ("uri", "title", "artist", "genres", "tags", "description")


def _folders() -> list[tuple[str, str]]:
    return [(split, f"seed-{seed}") for split, seeds in SEEDS.items() for seed in seeds]


def _rows(data: Path) -> list[tuple[str, str, dict[str, str]]]:
    return [
        (split, folder, row) for split, folder in _folders() for row in table(data, f"{folder}/manifest.csv", _COLUMNS)
    ]


def _clip(split: str, folder: str, row: dict[str, str], labels: tuple[str, ...], captions: tuple[str, ...]) -> Clip:
    path = f"{folder}/{row['uri']}"
    return Clip(path, path, split, labels, captions, title=row["title"] or None, artist=row["artist"] or None)


def _all(data: Path) -> list[Clip]:
    """Genres and tags without "instrumental", which every piece has; the description as the caption."""
    return [
        _clip(split, folder, row, _words(f"{row['genres']};{row['tags']}"), (row["description"],))
        for split, folder, row in _rows(data)
    ]


def _solos(data: Path) -> list[Clip]:
    """Solo pieces alone; a piece's first tag names its instrument."""
    return [
        _clip(split, folder, row, _words(row["tags"])[:1], ())
        for split, folder, row in _rows(data)
        if "solo" in _words(row["tags"])
    ]


def _words(joined: str) -> tuple[str, ...]:
    words = dict.fromkeys(word.strip() for word in joined.split(";"))
    return tuple(word for word in words if word and word != "instrumental")


_SHARED = {
    "corpus": CORPUS,
    "revision": REVISION,
    "source": SOURCE,
    "licence": "tonelake's own compositions, rendered with the soundfont of the pretty_midi wheel",
    "citation": "tonelake's note generator",
    "files": tuple(SourceFile(f"{folder}/manifest.csv") for _, folder in _folders()),
}
_FAULTS = (
    "Synthetic audio of one synthesizer: figures compare encoders here, not with recorded music.",
    "Every split has every kind of piece, from other notes. Artists' names are made up and recur across splits.",
)

BENCHMARKS = (
    Benchmark(
        name="rendered",
        title="Rendered pieces: genres, moods, instruments and captions",
        task="multilabel",
        main_metric="roc_auc",
        load=loader(_all, SOURCE),
        faults=_FAULTS,
        **_SHARED,
    ),
    Benchmark(
        name="rendered-instruments",
        title="Rendered solo pieces: which instrument",
        task="multiclass",
        main_metric="accuracy",
        load=loader(_solos, SOURCE),
        faults=_FAULTS,
        **_SHARED,
    ),
)
