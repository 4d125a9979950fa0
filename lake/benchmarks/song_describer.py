"""Song Describer: captions that people wrote for MTG-Jamendo tracks, several a track.

song_describer.csv beside audio/34/1004034.2min.mp3, as audio.zip unpacks.
"""

from functools import partial
from pathlib import Path

from lake.benchmarks.readers.annotations import make_loader, read_table
from schemas.benchmarks import Benchmark, Clip, SourceFile

CAPTIONS = "song_describer.csv"
AUDIO = "audio"
SOURCE = "https://zenodo.org/records/10072001 (song_describer.csv, audio.zip)"


def _clips(valid_only: bool, data: Path) -> list[Clip]:
    captions: dict[tuple[str, str], list[str]] = {}
    for row in read_table(data, CAPTIONS, ("track_id", "caption", "is_valid_subset", "path")):
        # Three states: True, False, and empty if nobody checked the caption.
        if row["is_valid_subset"] == "True" or not valid_only:
            captions.setdefault((row["track_id"], row["path"]), []).append(row["caption"])
    return [
        Clip(track, f"{AUDIO}/{path.removesuffix('.mp3')}.2min.mp3", "test", captions=tuple(dict.fromkeys(texts)))
        for (track, path), texts in captions.items()
    ]


_benchmark = partial(
    Benchmark,
    corpus="song-describer",
    task="captions",
    main_metric="recall@10",
    revision="zenodo-10072001",
    source=SOURCE,
    licence="captions CC BY-SA 4.0; audio by its artists' Creative Commons licences",
    citation="Manco et al. 2023",
    files=(SourceFile(CAPTIONS, "fb853b0327394cfdbdc205f712fdb64df70e6fcd3bae3a9d3f1617d54b45ad70"),),
)
_FAULTS = (
    "The file names 34/1004034.mp3, but the audio is 34/1004034.2min.mp3: the latter is used.",
    "Every track is in the test split of MTG-Jamendo's split-0: a model trained on that test split has seen them.",
)

BENCHMARKS = (
    _benchmark(
        name="song-describer",
        title="Song Describer, the checked subset",
        load=make_loader(partial(_clips, True), SOURCE),
        faults=(*_FAULTS, "The checked subset has 547 tracks, not the 546 of its README."),
    ),
    _benchmark(
        name="song-describer-all",
        title="Song Describer, every caption",
        load=make_loader(partial(_clips, False), SOURCE),
        faults=(*_FAULTS, "360 of its 1106 captions failed the check, or nobody checked them."),
    ),
)
