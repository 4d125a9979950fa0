"""A benchmark as data: its declaration, its clips, and published figures to compare with."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

SPLITS = ("train", "valid", "test")

# The kind of a clip's labels. "captions" have no labels: such a benchmark evaluates sentence retrieval only.
# "tempo" and "key" judge descriptions, not encoders.
Task = Literal["multilabel", "multiclass", "regression", "captions", "tempo", "key"]

DESCRIPTION_TASKS = ("tempo", "key")


@dataclass(frozen=True, slots=True)
class Clip:
    """One clip of a benchmark.

    `path` is the path of its audio, relative to the data folder, as the official archive unpacks it. `labels` are its
    tags (exactly one if the task is multiclass). `targets` are the numbers to predict, in the order of the benchmark's
    `targets`. `other_names` are pairs of a label and its synonyms. If the task is tempo, the target is the tempo in
    beats per minute; if it is key, the label is a key such as "Bb minor"; a clip without one true answer has neither.
    """

    clip_id: str  # unique within the corpus, the same in every split and label set of it
    path: str
    split: str
    labels: tuple[str, ...] = ()
    captions: tuple[str, ...] = ()
    targets: tuple[float, ...] = ()
    other_names: tuple[tuple[str, tuple[str, ...]], ...] = ()
    title: str | None = None
    artist: str | None = None


@dataclass(frozen=True, slots=True)
class SourceFile:
    """An annotation file that `load` reads, relative to the data folder.

    `sha256` is the hash of the bytes at the declared revision; None if upstream offers no bytes that can be pinned.
    """

    path: str
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A data set with one way to split it and one set of labels.

    Benchmarks of one `corpus` share clip ids and audio, and therefore the lake with their vectors. `load` reads the
    official layout below the data folder and returns every clip of every split, without those that have known faults.
    It raises UserError, one line that names what is missing or broken and where to get it.
    """

    name: str
    corpus: str
    title: str
    task: Task
    main_metric: str
    revision: str  # of the annotations: a version, a commit or a record number
    source: str  # where annotations and audio come from
    licence: str  # of the annotations; of the audio
    citation: str
    files: tuple[SourceFile, ...]  # empty if each clip has a file of its own
    load: Callable[[Path], list[Clip]]
    faults: tuple[str, ...] = ()  # known faults, and how each is handled
    targets: tuple[str, ...] = ()  # names of the numbers, if the task is regression or tempo

    @property
    def judges_descriptions(self) -> bool:
        """Whether it judges the descriptions of tracks, not the vectors of encoders."""
        return self.task in DESCRIPTION_TASKS


@dataclass(frozen=True, slots=True)
class Published:
    """A figure from a paper or a repository, shown beside ours.

    `value` is on our scale: 0.5, not 50.
    """

    benchmark: str
    system: str
    protocol: str
    metric: str
    value: float
    source: str
