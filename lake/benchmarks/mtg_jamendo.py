"""MTG-Jamendo: 55,000 tracks under Creative Commons, four sets of tags, five splits without common artists.

A copy of the repository, data/splits/split-0/*.tsv, with audio/14/214.mp3 or audio/14/214.low.mp3 beside `data`.
"""

import csv
import io
from functools import partial
from pathlib import Path

from lake.benchmarks.readers.annotations import make_loader, read_text
from schemas.benchmarks import Benchmark, Clip, SourceFile

REVISION = "1b4fa8c3"
SOURCE = "https://github.com/MTG/mtg-jamendo-dataset (data/splits; scripts/download for the audio)"
AUDIO = "audio"
LISTS = {"top50": "top50tags", "genre": "genre", "instrument": "instrument", "moodtheme": "moodtheme"}
_TITLES = {"top50": "top 50 tags", "genre": "genres", "instrument": "instruments", "moodtheme": "moods and themes"}
_PARTS = {"train": "train", "valid": "validation", "test": "test"}

# sha256 of split-0; the other splits are those of the repository at the same commit.
_SHA256 = {
    "top50tags-train.tsv": "6dee445ddd1901286184c2059d3d5eef7486f083ae80de9011705f852a850dde",
    "top50tags-validation.tsv": "4f5f0f0a7662f523b45727476f67d799d6e98151b2c585a8e94e19d980ad93c1",
    "top50tags-test.tsv": "3ede06a35e6cb27e1dbe8cfc84708a607622e30e5cd0a7199fce6c081124bc35",
    "genre-train.tsv": "c1cddb195ef94a07e67e227bf38e2a79389c1820950702b8c8894a2096f21e54",
    "genre-validation.tsv": "3e203b4c573db6ec63a06c7066cf678dcf673a68ad5694c8fed22637c270dbcf",
    "genre-test.tsv": "cf917388eebfa7d17d363c2fca037e2379ac027e31aa6dbe92e8dbf409ac5098",
    "instrument-train.tsv": "f844a85f0b40bb31a5d5b448ddfc10a68d7b38ecc760673d23df2bd6e7ca0f4c",
    "instrument-validation.tsv": "a5060020013ac5ba65c6470ee83fc2a9785db1fe554b55065de08aa9b0cca70d",
    "instrument-test.tsv": "8c1ab86f3212b6484106baf2e78f70dd5520b917607487ac98999adbd5d7ab1a",
    "moodtheme-train.tsv": "e5e9e798364b34bd241b773e5011809b24429edf471f27cf21dd8181077ba2d4",
    "moodtheme-validation.tsv": "ecaa279367153476884d84d686479e566234cef1814bd6892a8755ba0a550dbf",
    "moodtheme-test.tsv": "4341b5586bb3e5a80a882ce9ef33cb8b1bdaa7df856246ecc5de188dfe1cf394",
}


def _path(labels: str, split_number: int, split: str) -> str:
    return f"data/splits/split-{split_number}/autotagging_{LISTS[labels]}-{_PARTS[split]}.tsv"


def _clips(labels: str, split_number: int, data: Path) -> list[Clip]:
    rows = [(split, row) for split in _PARTS for row in _rows(data, _path(labels, split_number, split))]
    suffix = _suffix(data, rows[0][1][3]) if rows else ".mp3"
    return [
        Clip(
            clip_id=row[0],
            path=f"{AUDIO}/{row[3].removesuffix('.mp3')}{suffix}",
            split=split,
            # The names of different categories do not collide.
            labels=tuple(tag.split("---")[1] for tag in row[5:] if tag),
            artist=row[1],
        )
        for split, row in rows
    ]


def _rows(data: Path, path: str) -> list[list[str]]:
    """Read the rows of a list, one a track.

    A row has five columns, then one column a tag. Lines end in CRLF.
    """
    header, *rows = csv.reader(io.StringIO(read_text(data, path), newline=""), delimiter="\t", quoting=csv.QUOTE_NONE)
    if header != ["TRACK_ID", "ARTIST_ID", "ALBUM_ID", "PATH", "DURATION", "TAGS"]:
        raise ValueError(f"{path} begins with {header[:1]}, not with the columns of MTG-Jamendo")
    return [row for row in rows if row]


def _suffix(data: Path, path: str) -> str:
    """Return the suffix of the copy's audio: full or low quality, judged by one file."""
    low = f"{path.removesuffix('.mp3')}.low.mp3"
    has_low_only = not (data / AUDIO / path).exists() and (data / AUDIO / low).exists()
    return ".low.mp3" if has_low_only else ".mp3"


def _benchmark(labels: str, split_number: int) -> Benchmark:
    paths = [_path(labels, split_number, split) for split in _PARTS]
    return Benchmark(
        name=f"mtg-jamendo-{labels}" + (f"-split-{split_number}" if split_number else ""),
        corpus="mtg-jamendo",
        title=f"MTG-Jamendo {_TITLES[labels]}, split {split_number}",
        task="multilabel",
        main_metric="roc_auc",
        revision=REVISION,
        source=SOURCE,
        licence="metadata CC BY-NC-SA 4.0; audio by its artists' Creative Commons licences",
        citation="Bogdanov, Won, Tovstogan, Porter and Serra 2019",
        files=tuple(
            SourceFile(path, _SHA256.get(path.rsplit("_", 1)[1]) if split_number == 0 else None) for path in paths
        ),
        load=make_loader(partial(_clips, labels, split_number), SOURCE),
        faults=(
            "465 tracks occur twice or more, bit by bit the same (issue 52): all are kept; whether they cross splits "
            "is not known.",
            "Rows have as many tag columns as the track has tags: all are read. The category of a tag is dropped.",
        ),
    )


BENCHMARKS = tuple(_benchmark(labels, split_number) for split_number in range(5) for labels in LISTS)
