"""GTZAN-Rhythm: tempi of the 1000 clips of GTZAN, from beats that people annotated.

Beside `genres/`, as genres.tar.gz unpacks, lies the archive's GTZAN-Rhythm/jams/blues.00000.wav.jams. Instead of it,
gtzan_tempo_beat-main/tempo/gtzan_blues_00000.bpm of mirdata's download is read.
"""

from pathlib import Path
from typing import Any

import numpy as np

from lake.benchmarks.readers.annotations import list_files, make_loader, read_json, read_text
from lake.benchmarks.readers.music import parse_tempo
from schemas.benchmarks import Benchmark, Clip

SOURCE = "http://anasynth.ircam.fr/home/media/GTZAN-rhythm and genres.tar.gz of GTZAN"
REVISION = "v2-2015-10-28"
_JAMS_FOLDERS = ("GTZAN-Rhythm/jams", f"GTZAN-Rhythm_v2_ismir2015_lbd_{REVISION[3:]}/jams", "jams")
_BPM_FOLDER = "gtzan_tempo_beat-main/tempo"
_AUDIO_FOLDERS = ("genres", "gtzan_genre/genres")


def _clips(data: Path) -> list[Clip]:
    folder = _first_folder(data, (*_JAMS_FOLDERS, _BPM_FOLDER))
    if folder == _BPM_FOLDER:
        names = list_files(data, folder, ".bpm")
        tempi = {_clip_id(name): parse_tempo(read_text(data, f"{folder}/{name}.bpm")) for name in names}
    else:
        names = list_files(data, folder, ".wav.jams")
        tempi = {name: _beat_tempo(read_json(data, f"{folder}/{name}.wav.jams")) for name in names}
    if not any(tempi.values()):
        raise ValueError(f"no file in {folder} has a tempo")
    audio = _first_folder(data, _AUDIO_FOLDERS)
    paths = {name: f"{audio}/{name.split('.')[0]}/{name}" for name in tempi}
    # The first clip is enough: a copy of GTZAN is either all .wav or all .au.
    suffix = ".au" if (data / f"{next(iter(paths.values()))}.au").exists() else ".wav"
    return [
        Clip(name, f"{paths[name]}{suffix}", "test", targets=(tempo,) if tempo else ())
        for name, tempo in tempi.items()
    ]


def _first_folder(data: Path, folders: tuple[str, ...]) -> str:
    """Return the first of the folders that exists, else the first.

    Reading it then raises the error that names it.
    """
    return next((folder for folder in folders if (data / folder).is_dir()), folders[0])


def _clip_id(name: str) -> str:
    """Turn gtzan_blues_00000 into blues.00000."""
    _, genre, number = name.split("_")
    return f"{genre}.{number}"


def _beat_tempo(jams: Any) -> float | None:
    """Return the tempo of the median interval between beats.

    None if there are fewer than two beats.
    """
    times = [
        beat["time"]
        for annotation in jams["annotations"]
        if annotation["namespace"] == "beat" and annotation["sandbox"].get("annotation_type") == "beat"
        for beat in annotation["data"]
    ]
    intervals = np.diff(np.unique(np.array(times, np.float64)))
    return 60 / float(np.median(intervals)) if len(intervals) else None


BENCHMARKS = (
    Benchmark(
        name="gtzan-rhythm",
        corpus="gtzan-rhythm",
        title="GTZAN-Rhythm, tempo",
        task="tempo",
        main_metric="accuracy1",
        revision=REVISION,
        source=SOURCE,
        licence="annotations: none given; audio: none given",
        citation="Marchand and Peeters 2015; audio: Tzanetakis and Cook 2002",
        files=(),
        load=make_loader(_clips, SOURCE),
        targets=("bpm",),
        faults=(
            "The tempo is that of the median interval between two beats, not the mean that the files also state.",
            "All 1000 clips are used; GTZAN repeats some of them.",
            "Copies come as .wav or as .au under the same names: the suffix of the first clip is used for all.",
        ),
    ),
)
