"""FMA-small: 8,000 clips of 30 s, eight genres.

fma_metadata/tracks.csv and fma_small/000/000002.mp3, as fma_metadata.zip and fma_small.zip unpack.
"""

import csv
import io
from pathlib import Path

from lake.benchmarks.readers.annotations import make_loader
from schemas.benchmarks import Benchmark, Clip, SourceFile

TRACKS = "fma_metadata/tracks.csv"
AUDIO = "fma_small"
SOURCE = "https://github.com/mdeff/fma (fma_metadata.zip, fma_small.zip)"
NO_AUDIO = {99134, 108925, 133297}
_SPLITS = {"training": "train", "validation": "valid", "test": "test"}
_COLUMNS = (("set", "subset"), ("set", "split"), ("track", "genre_top"), ("track", "title"), ("artist", "name"))


def _clips(data: Path) -> list[Clip]:
    clips = []
    with io.TextIOWrapper((data / TRACKS).open("rb"), "utf-8", newline="") as file:
        rows = csv.reader(file)
        # The header is two rows, of tables and of their columns; a third names the index and nothing else.
        names = list(zip(next(rows, ()), next(rows, ()), strict=True))
        if missing := [column for column in _COLUMNS if column not in names]:
            raise ValueError(f"{TRACKS} lacks the column {' / '.join(missing[0])}")
        subset, *columns = (names.index(column) for column in _COLUMNS)
        for row in rows:
            if row and row[0].isdigit() and int(row[0]) not in NO_AUDIO and row[subset] == "small":
                clips.append(_clip(int(row[0]), *(row[column].strip() for column in columns)))
    return clips


def _clip(track: int, split: str, genre: str, title: str, artist: str) -> Clip:
    number = f"{track:06d}"
    path = f"{AUDIO}/{number[:3]}/{number}.mp3"
    return Clip(number, path, _SPLITS[split], (genre.lower(),), title=title or None, artist=artist or None)


BENCHMARKS = (
    Benchmark(
        name="fma-small",
        corpus="fma",
        title="FMA-small genres",
        task="multiclass",
        main_metric="accuracy",
        revision="607364e7",
        source=SOURCE,
        licence="metadata CC BY 4.0; audio by its artists' Creative Commons licences",
        citation="Defferrard, Benzi, Vandergheynst and Bresson 2017",
        files=(SourceFile(TRACKS),),
        load=make_loader(_clips, SOURCE),
        faults=(
            "99134, 108925 and 133297 have no audio: left out.",
            "Six clips last under 30 s: used as they are.",
            "Some tracks occur twice under two ids (issue 23): both are kept.",
        ),
    ),
)
