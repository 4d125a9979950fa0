"""K-pop vocal tags: 42 tags of segments of singing, voted by three listeners.

kpop_split/{train,valid,test}_{files,labels}.pkl beside audio/58a6768d530a69823b4ae750_12750.mp3.
"""

from pathlib import Path

from lake.benchmarks.readers.annotations import make_loader
from lake.benchmarks.readers.pickles import read_pickle
from schemas.benchmarks import SPLITS, Benchmark, Clip, SourceFile

LISTS = "kpop_split"
AUDIO = "audio"
REVISION = "8cf2c4b5"
SOURCE = "https://khlukekim.github.io/kvtdataset (audio on request)"
MIN_VOTES = 2  # of three: TTMR takes more than one vote for a yes
MIN_TAGS = 2  # TTMR drops segments with fewer tags


def _clips(data: Path) -> list[Clip]:
    clips = []
    for split in SPLITS:
        names = read_pickle(data, f"{LISTS}/{split}_files.pkl")
        votes = read_pickle(data, f"{LISTS}/{split}_labels.pkl")
        for name, counts in zip(names, votes, strict=True):
            # One tag is written with a blank: ' Ballad'.
            labels = tuple(tag.strip().lower() for tag, count in counts.items() if count >= MIN_VOTES)
            if len(labels) >= MIN_TAGS:
                clips.append(Clip(name.removesuffix(".mp3"), f"{AUDIO}/{name}", split, labels))
    return clips


BENCHMARKS = (
    Benchmark(
        name="kvt",
        corpus="kvt",
        title="K-pop vocal tags",
        task="multilabel",
        main_metric="roc_auc",
        revision=REVISION,
        source=SOURCE,
        licence="unstated; audio on request",
        citation="Kim, Lee, Kum, Park and Nam 2020",
        files=tuple(SourceFile(f"{LISTS}/{split}_{kind}.pkl") for split in SPLITS for kind in ("files", "labels")),
        load=make_loader(_clips, SOURCE),
        faults=(
            "The split keeps songs apart but not artists: 64 of its 70 test artists are in train too. The "
            "split is kept, so figures are too high.",
            "Segments with fewer than two tags are left out, as TTMR does: one of the validation split.",
            "The files are pickles: only plain data is read from them; a pickle that asks for more is refused.",
        ),
    ),
)
