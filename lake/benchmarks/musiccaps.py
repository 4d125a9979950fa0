"""MusicCaps: 5,521 clips of 10 s from YouTube, each with a caption by a musician.

musiccaps-public.csv beside audio/<ytid>.wav: the ten seconds from start_s on, which users cut themselves.
"""

from pathlib import Path

from lake.benchmarks.readers.annotations import make_loader, read_table
from schemas.benchmarks import Benchmark, Clip, SourceFile

CAPTIONS = "musiccaps-public.csv"
AUDIO = "audio"
SOURCE = "https://www.kaggle.com/datasets/googleai/musiccaps (musiccaps-public.csv); audio from YouTube"
_SPLITS = {"True": "test", "False": "train"}


def _clips(data: Path) -> list[Clip]:
    return [
        Clip(row["ytid"], f"{AUDIO}/{row['ytid']}.wav", _SPLITS[row["is_audioset_eval"]], captions=(row["caption"],))
        for row in read_table(data, CAPTIONS, ("ytid", "caption", "is_audioset_eval"))
    ]


BENCHMARKS = (
    Benchmark(
        name="musiccaps",
        corpus="musiccaps",
        title="MusicCaps",
        task="captions",
        main_metric="recall@10",
        revision="public",
        source=SOURCE,
        licence="captions CC BY-SA 4.0; audio: YouTube",
        citation="Agostinelli et al. 2023",
        files=(SourceFile(CAPTIONS),),
        load=make_loader(_clips, SOURCE),
        faults=(
            "Many videos are gone, so everyone's subset differs: figures state how many clips were embedded.",
            "Aspect lists are not used as labels: thousands of the aspects occur once.",
        ),
    ),
)
