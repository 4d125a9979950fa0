"""GTZAN, ten genres, with the fault-filtered split: 443, 197 and 290 of its 1000 clips.

Lists {train,valid,test}_filtered.txt beside `genres/`, as genres.tar.gz unpacks: genres/blues/blues.00000.wav or .au.
"""

from pathlib import Path

from lake.benchmarks.readers.annotations import make_loader, read_lines
from schemas.benchmarks import SPLITS, Benchmark, Clip, SourceFile

REVISION = "07e85575"
SOURCE = "https://github.com/jongpillee/music_dataset_split (GTZAN_split) and genres.tar.gz of GTZAN"
LISTS = {split: f"{split}_filtered.txt" for split in SPLITS}
AUDIO = "genres"


def _clips(data: Path) -> list[Clip]:
    names = [(split, name.removesuffix(".wav")) for split, path in LISTS.items() for name in read_lines(data, path)]
    # The first clip is enough: a copy of GTZAN is either all .wav or all .au.
    suffix = ".au" if names and (data / AUDIO / f"{names[0][1]}.au").exists() else ".wav"
    return [
        Clip(
            clip_id=name.split("/")[1],
            path=f"{AUDIO}/{name}{suffix}",
            split=split,
            labels=(name.split("/")[0],),
        )
        for split, name in names
    ]


BENCHMARKS = (
    Benchmark(
        name="gtzan",
        corpus="gtzan",
        title="GTZAN genres, fault-filtered split",
        task="multiclass",
        main_metric="accuracy",
        revision=REVISION,
        source=SOURCE,
        licence="lists MIT; audio: none given",
        citation="Tzanetakis and Cook 2002; split: Kereliuk, Sturm and Larsen 2015; faults: Sturm 2013",
        files=(
            SourceFile(LISTS["train"], "2b04966cef1486f1a7767b74271533fa23e220388db804a1937835e1fc4fa3fa"),
            SourceFile(LISTS["valid"], "f8fbee7c52397a0e0f3a91dc54fedecb2e27f5bdc9a9daeab8cb10d077e26956"),
            SourceFile(LISTS["test"], "09cafa6a89ce0a27f30ed250d56ecb4d03c22fffb5a693f96c7ae655ee02ac72"),
        ),
        load=make_loader(_clips, SOURCE),
        faults=(
            "The full GTZAN has repeated and mislabelled clips, and artists in several splits: only the 930 clips of "
            "the fault-filtered lists are used.",
            "Copies come as .wav or as .au under the same names: the suffix of the first clip is used for all.",
            "jazz.00054 cannot be decoded in some copies: then it counts as a clip without a vector.",
        ),
    ),
)
