"""OpenMIC-2018: 20,000 clips of 10 s, and which of 20 instruments play in them.

openmic-2018/ as openmic-2018-v1.0.0.tgz unpacks: labels, metadata, partitions/ and audio/000/000046_3840.ogg.
"""

from pathlib import Path

from lake.benchmarks.readers.annotations import make_loader, read_lines, read_table
from lake.benchmarks.readers.splits import split_fraction
from schemas.benchmarks import Benchmark, Clip, SourceFile

ROOT = "openmic-2018"
LABELS = f"{ROOT}/openmic-2018-aggregated-labels.csv"
METADATA = f"{ROOT}/openmic-2018-metadata.csv"
PARTITIONS = {"train": f"{ROOT}/partitions/split01_train.csv", "test": f"{ROOT}/partitions/split01_test.csv"}
SOURCE = "https://zenodo.org/records/1432913 (openmic-2018-v1.0.0.tgz)"
RELEVANCE_THRESHOLD = 0.5  # above it the instrument is present; exactly 0.5 is undecided
_VALID = 0.1


def _clips(data: Path) -> list[Clip]:
    instruments: dict[str, list[str]] = {}
    for row in read_table(data, LABELS, ("sample_key", "instrument", "relevance")):
        if float(row["relevance"]) > RELEVANCE_THRESHOLD:
            instruments.setdefault(row["sample_key"], []).append(row["instrument"])
    about = {
        row["sample_key"]: row for row in read_table(data, METADATA, ("sample_key", "artist_name", "track_title"))
    }
    return [
        _clip(name, part, tuple(instruments.get(name, ())), about[name])
        for part, path in PARTITIONS.items()
        for name in read_lines(data, path)
    ]


def _clip(name: str, part: str, labels: tuple[str, ...], about: dict[str, str]) -> Clip:
    artist = about["artist_name"]
    split = "valid" if part == "train" and split_fraction(artist or name) < _VALID else part
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
        load=make_loader(_clips, SOURCE),
        faults=(
            "A clip was judged for a few of the 20 instruments only: present (relevance above 0.5), absent, or not "
            "judged. Clips carry no mask, so an instrument that was not judged counts as absent. Figures are lower "
            "than masked ones; do not compare the two.",
            "No official validation split: a tenth of the artists of the training part, by a hash of their names.",
        ),
    ),
)
