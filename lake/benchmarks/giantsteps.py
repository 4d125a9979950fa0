"""GiantSteps: tempo and key of two-minute excerpts of electronic dance music from Beatport.

Three repositories, each with an audio_dl.sh that fills audio/ with files such as 1030011.LOFI.mp3:

* giantsteps-tempo-dataset: annotations_v2/tempo/1030011.LOFI.bpm (2018) and annotations/tempo (2015), splits/files.txt
* giantsteps-key-dataset: annotations/key/10089.LOFI.key, "Bb major"
* giantsteps-mtg-key-dataset: annotations/annotations.txt, a table of ID, MANUAL KEY and C, the confidence from 0 to 2
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from lake.benchmarks.readers.annotations import list_files, make_loader, read_lines, read_text
from lake.benchmarks.readers.music import parse_key, parse_tempo
from schemas.benchmarks import Benchmark, Clip, SourceFile

_GITHUB = "https://github.com/GiantSteps"
_LICENCE = "annotations: none given; audio: previews of Beatport"
_CITATION = "Knees, Faraldo, Herrera, Vogl, Böck, Hörschläger and Le Goff 2015"
_FILES = "splits/files.txt"
_KEY_FOLDER = "annotations/key"
_KEY_TABLE = "annotations/annotations.txt"
_SURE = "2"


def _tempo_clips(folder: str, data: Path) -> list[Clip]:
    names = [line.removesuffix(".mp3") for line in read_lines(data, _FILES)]
    tempi = {name: _read_tempo(data, f"{folder}/{name}.bpm") for name in names}
    return [_clip(name, targets=(tempo,) if tempo else ()) for name, tempo in tempi.items()]


def _read_tempo(data: Path, path: str) -> float | None:
    try:
        return parse_tempo(read_text(data, path))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _key_clips(data: Path) -> list[Clip]:
    names = list_files(data, _KEY_FOLDER, ".key")
    return _with_keys({name: read_text(data, f"{_KEY_FOLDER}/{name}.key") for name in names})


def _mtg_key_clips(data: Path) -> list[Clip]:
    # Not stripped: the key of a line may be a single space.
    head, *lines = [line.rstrip("\r").split("\t") for line in read_text(data, _KEY_TABLE).split("\n") if line.strip()]
    columns = [head.index(name) for name in ("ID", "MANUAL KEY", "C")]
    rows = [[line[column].strip() for column in columns] for line in lines]
    return _with_keys({f"{number}.LOFI": key if confidence == _SURE else "" for number, key, confidence in rows})


def _with_keys(texts: dict[str, str]) -> list[Clip]:
    keys = {name: parse_key(text) for name, text in texts.items()}
    if not any(keys.values()):
        raise ValueError("no clip has a key")
    return [_clip(name, labels=(key,) if key else ()) for name, key in keys.items()]


def _clip(name: str, *, labels: tuple[str, ...] = (), targets: tuple[float, ...] = ()) -> Clip:
    return Clip(name.removesuffix(".LOFI"), f"audio/{name}.mp3", "test", labels, targets=targets)


def _tempo_benchmark(name: str, title: str, folder: str, citation: str, faults: tuple[str, ...]) -> Benchmark:
    source = f"{_GITHUB}/giantsteps-tempo-dataset (its audio_dl.sh gets the audio)"
    return Benchmark(
        name=name,
        corpus="giantsteps-tempo",
        title=title,
        task="tempo",
        main_metric="accuracy1",
        revision="0b7d47ba",
        source=source,
        licence=_LICENCE,
        citation=citation,
        files=(SourceFile(_FILES),),
        load=make_loader(partial(_tempo_clips, folder), source),
        targets=("bpm",),
        faults=faults,
    )


def _key_benchmark(
    name: str,
    title: str,
    revision: str,
    files: tuple[SourceFile, ...],
    load: Callable[[Path], list[Clip]],
    faults: tuple[str, ...],
) -> Benchmark:
    source = f"{_GITHUB}/{name}-dataset (its audio_dl.sh gets the audio)"
    return Benchmark(
        name=name,
        corpus=name,
        title=title,
        task="key",
        main_metric="weighted",
        revision=revision,
        source=source,
        licence=_LICENCE,
        citation=_CITATION if name == "giantsteps-key" else "Faraldo 2017",
        files=files,
        load=make_loader(load, source),
        faults=faults,
    )


BENCHMARKS = (
    _tempo_benchmark(
        "giantsteps-tempo",
        "GiantSteps tempo, annotations of 2018",
        "annotations_v2/tempo",
        "Schreiber and Müller 2018",
        ("Three clips have no tempo, written as 0.0: they are not judged.",),
    ),
    _tempo_benchmark(
        "giantsteps-tempo-v1",
        "GiantSteps tempo, annotations of 2015",
        "annotations/tempo",
        _CITATION,
        ("The tempi are corrections by visitors of a forum; the annotations of 2018 correct many of them.",),
    ),
    _key_benchmark(
        "giantsteps-key",
        "GiantSteps key",
        "6bcd492c",
        (),
        _key_clips,
        ("A file that names no single major or minor key is not judged.",),
    ),
    _key_benchmark(
        "giantsteps-mtg-key",
        "GiantSteps MTG key",
        "fd7b8c58",
        (SourceFile(_KEY_TABLE),),
        _mtg_key_clips,
        (
            "Clips without a key, with several keys, or with a confidence under 2 are not judged.",
            "Models for keys are often trained on this set: compare them on giantsteps-key.",
        ),
    ),
)
