"""Pieces that tonelake composes and renders itself: true labels and no download.

Catalogues of `workers.synthetic_music.demo.catalogue` in the folders seed-0, seed-1, ..., each with its manifest.csv.
"""

from functools import partial
from pathlib import Path

from lake.benchmarks.readers.annotations import make_loader, read_table
from schemas.benchmarks import Benchmark, Clip, SourceFile

CORPUS = "rendered"
REVISION = "1"  # raise it if the generator composes or renders differently
SEEDS = {"train": (0, 1, 2, 3), "valid": (4,), "test": (5, 6, 7)}
SOURCE = "tonelake evaluate rendered, which renders it"
_COLUMNS = ("uri", "title", "artist", "genres", "tags", "description")


def _folders() -> list[tuple[str, str]]:
    return [(split, f"seed-{seed}") for split, seeds in SEEDS.items() for seed in seeds]


def _rows(data: Path) -> list[tuple[str, str, dict[str, str]]]:
    return [
        (split, folder, row)
        for split, folder in _folders()
        for row in read_table(data, f"{folder}/manifest.csv", _COLUMNS)
    ]


def _clip(split: str, folder: str, row: dict[str, str], labels: tuple[str, ...], captions: tuple[str, ...]) -> Clip:
    path = f"{folder}/{row['uri']}"
    return Clip(path, path, split, labels, captions, title=row["title"] or None, artist=row["artist"] or None)


def _all_pieces(data: Path) -> list[Clip]:
    """Return every piece: genres and tags as labels, the description as the caption.

    The tag "instrumental" is left out: every piece has it.
    """
    return [
        _clip(split, folder, row, _labels(f"{row['genres']};{row['tags']}"), (row["description"],))
        for split, folder, row in _rows(data)
    ]


def _solos(data: Path) -> list[Clip]:
    """Return the solo pieces, labelled with their instrument, which is their first tag."""
    return [
        _clip(split, folder, row, _labels(row["tags"])[:1], ())
        for split, folder, row in _rows(data)
        if "solo" in _labels(row["tags"])
    ]


def _labels(text: str) -> tuple[str, ...]:
    words = dict.fromkeys(word.strip() for word in text.split(";"))
    return tuple(word for word in words if word and word != "instrumental")


_benchmark = partial(
    Benchmark,
    corpus=CORPUS,
    revision=REVISION,
    source=SOURCE,
    licence="tonelake's own compositions, rendered with the soundfont of the pretty_midi wheel",
    citation="tonelake's note generator",
    files=tuple(SourceFile(f"{folder}/manifest.csv") for _, folder in _folders()),
    faults=(
        "Synthetic audio of one synthesizer: figures compare encoders with each other, not with recorded music.",
        "Every split has every kind of piece, with other notes. Artists' names are invented and recur across splits.",
    ),
)

BENCHMARKS = (
    _benchmark(
        name="rendered",
        title="Rendered pieces: genres, moods, instruments and captions",
        task="multilabel",
        main_metric="roc_auc",
        load=make_loader(_all_pieces, SOURCE),
    ),
    _benchmark(
        name="rendered-instruments",
        title="Rendered solo pieces: which instrument",
        task="multiclass",
        main_metric="accuracy",
        load=make_loader(_solos, SOURCE),
    ),
)
