"""A benchmark as data: its declaration, its clips, and the published figures that it can be compared with."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

SPLITS = ("train", "valid", "test")

# What a clip's labels are. "captions" alone have no labels: such a benchmark judges sentence retrieval only.
Task = Literal["multilabel", "multiclass", "regression", "captions"]


@dataclass(frozen=True, slots=True)
class Clip:
    """One clip of a benchmark.

    `path` is of its audio, relative to the data folder, as the official archive unpacks it. `labels` are the tags it
    has (exactly one where the task is multiclass); `targets` the numbers to be predicted, in the order of the
    benchmark's `targets`. `other_names` are pairs of a label and what else it is called.
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

    `sha256` is of the bytes at the declared revision, None where upstream offers no bytes that could be pinned.
    """

    path: str
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A data set with one way to split it and one set of labels.

    Benchmarks of one `corpus` share clip ids and audio, and so the lake that their vectors are kept in. `load` reads
    the official layout below the data folder and returns every clip of every split, those with known faults left
    out. It raises UserError, one line that says what is missing or broken and where to get it.
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
    files: tuple[SourceFile, ...]
    load: Callable[[Path], list[Clip]]
    faults: tuple[str, ...] = ()  # known ones, and what is done about each
    targets: tuple[str, ...] = ()  # names of the numbers, where the task is regression


@dataclass(frozen=True, slots=True)
class Published:
    """A figure from a paper or a repository: shown beside ours, never computed here. `value` as ours: 0.5, not 50."""

    benchmark: str
    system: str
    protocol: str
    metric: str
    value: float
    source: str
