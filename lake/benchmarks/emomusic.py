"""EmoMusic (1000 Songs): arousal and valence of 744 excerpts of 45 s.

Each number is the mean of at least ten listeners. Files: songs_info.csv and
static_annotations.csv beside clips_45seconds/2.mp3.
"""

from pathlib import Path

from lake.benchmarks.readers.annotations import make_loader, read_table
from lake.benchmarks.readers.splits import split_fraction
from schemas.benchmarks import Benchmark, Clip, SourceFile

SONGS = "songs_info.csv"
RATINGS = "static_annotations.csv"
AUDIO = "clips_45seconds"
SOURCE = "https://cvml.unige.ch/databases/emoMusic (annotations and clips_45sec)"
_SET = "Mediaeval 2013 set"
_VALID = 0.15


def _clips(data: Path) -> list[Clip]:
    means = {
        row["song_id"]: (float(row["mean_arousal"]), float(row["mean_valence"]))
        for row in read_table(data, RATINGS, ("song_id", "mean_arousal", "mean_valence"))
    }
    # Quoted fields begin with tab characters; read_table() strips them.
    songs = read_table(data, SONGS, ("song_id", "file_name", "Artist", "Song title", _SET))
    return [
        Clip(
            clip_id=song["song_id"],
            path=f"{AUDIO}/{song['file_name']}",
            split=_split(song),
            targets=means[song["song_id"]],
            title=song["Song title"] or None,
            artist=song["Artist"] or None,
        )
        for song in songs
    ]


def _split(song: dict[str, str]) -> str:
    if song[_SET] == "evaluation":
        return "test"
    if song[_SET] != "development":
        raise ValueError(f"{SONGS} puts song {song['song_id']} in the set {song[_SET]!r}")
    return "valid" if split_fraction(song["Artist"]) < _VALID else "train"


BENCHMARKS = (
    Benchmark(
        name="emomusic",
        corpus="emomusic",
        title="EmoMusic, arousal and valence",
        task="regression",
        main_metric="r2",
        revision="2013",
        source=SOURCE,
        licence="annotations: research use; audio from the Free Music Archive under Creative Commons",
        citation="Soleymani, Caro, Schmidt, Sha and Yang 2013",
        files=(
            SourceFile(SONGS, "146e88272a9ad132b37dee8798c117470f59673e83d8ccbbaae322d0473865fd"),
            SourceFile(RATINGS, "40a2e360eec17be1f6d54b78e76f0c6851bef9d7869b47510034a659ac24857c"),
        ),
        load=make_loader(_clips, SOURCE),
        targets=("arousal", "valence"),
        faults=(
            "No official validation split: 15 % of the artists of the development set, by a hash of their names.",
            "52 artists are in both the development and the evaluation set: the official split is kept.",
            "The authors removed duplicates: 744 of the 1000 songs remain.",
        ),
    ),
)
