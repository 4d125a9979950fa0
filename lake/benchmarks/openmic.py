"""OpenMIC-2018: 20,000 clips of 10 s, and which of 20 instruments are heard in them.

openmic-2018/ as openmic-2018-v1.0.0.tgz unpacks: labels, metadata, partitions/ and audio/000/000046_3840.ogg.
"""

from pathlib import Path

from lake.benchmarks.readers.annotations import lines, loader, table
from lake.benchmarks.readers.splits import share
from schemas.benchmarks import Benchmark, Clip, SourceFile

ROOT = "openmic-2018"
LABELS = f"{ROOT}/openmic-2018-aggregated-labels.csv"
METADATA = f"{ROOT}/openmic-2018-metadata.csv"
PARTITIONS = {"train": f"{ROOT}/partitions/split01_train.csv", "test": f"{ROOT}/partitions/split01_test.csv"}
SOURCE = "https://zenodo.org/records/1432913 (openmic-2018-v1.0.0.tgz)"
HEARD = 0.5  # relevance above it: heard; the middle itself is undecided
_VALID = 0.1


def _clips(data: Path) -> list[Clip]:
    heard: dict[str, list[str]] = {}
    for row in table(data, LABELS, ("sample_key", "instrument", "relevance")):
        if float(row["relevance"]) > HEARD:
            heard.setdefault(row["sample_key"], []).append(row["instrument"])
    about = {row["sample_key"]: row for row in table(data, METADATA, ("sample_key", "artist_name", "track_title"))}
    return [
        _clip(name, part, tuple(heard.get(name, ())), about[name])
        for part, path in PARTITIONS.items()
        for name in lines(data, path)
    ]


def _clip(name: str, part: str, labels: tuple[str, ...], about: dict[str, str]) -> Clip:
    artist = about["artist_name"]
    split = "valid" if part == "train" and share(artist or name) < _VALID else part
    path = f"{ROOT}/audio/{name[:3]}/{name}.ogg"
    return Clip(name, path, split, labels, title=about["track_title"] or None, artist=artist or None)


BENCHMARKS = (
    Benchmark(
        name="openmic",
        corpus="openmic",
        title="OpenMIC-2018 instruments",
        task="multilabel",
        main_metric="roc_auc",
        revision="1.0.0",
        source=SOURCE,
        licence="annotations CC BY 4.0; audio by its artists' Creative Commons licences",
        citation="Humphrey, Durand and McFee 2018",
        files=tuple(SourceFile(path) for path in (LABELS, METADATA, *PARTITIONS.values())),
        load=loader(_clips, SOURCE),
        faults=(
            "A clip was judged for a few of the 20 instruments only: heard (relevance above 0.5), not heard, or not "
            "judged. Clips carry no mask, so those not judged count as absent; figures are lower than masked ones and "
            "not to be compared with them.",
            "No official validation split: a tenth of the artists of the training part, by a hash of their names.",
        ),
    ),
)
