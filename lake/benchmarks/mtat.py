"""MagnaTagATune, its 50 most frequent tags, in the two splits that papers use.

Audio as mp3.zip.001-003 unpack it: the folders 0 to f, here f/artist-album-01-title-30-59.mp3. Beside them
codified_magnatagatune.json, or split/mtat/*.npy of sota-music-tagging-models.
"""

import re
from functools import partial
from pathlib import Path
from typing import Any

from lake.benchmarks.readers.annotations import make_loader, read_array, read_json
from schemas.benchmarks import SPLITS, Benchmark, Clip, SourceFile

CODIFIED = "codified_magnatagatune.json"
WON = "split/mtat"
REVISION = "ffd9c469"  # of the won2020 lists; the codified one has no version upstream, and a corpus has one lake
NO_AUDIO = {"35644", "55753", "57881"}
_SOURCES = {
    "codified": f"the jukemir data ({CODIFIED}) and mp3.zip of MagnaTagATune",
    "won2020": "https://github.com/minzwon/sota-music-tagging-models (split/mtat) and mp3.zip of MagnaTagATune",
}


def canonical_tag(tag: str) -> str:
    """Return the one spelling of a tag: "noVocals" in Lee's list is "no vocals" elsewhere."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", tag.strip()).lower()


def _codified(data: Path) -> list[Clip]:
    entries = read_json(data, CODIFIED).values()
    return [_codified_clip(entry) for entry in entries if str(entry["extra"]["clip_id"]) not in NO_AUDIO]


def _codified_clip(entry: dict[str, Any]) -> Clip:
    extra = entry["extra"]
    path = extra["mp3_path"].strip()
    labels = tuple(canonical_tag(tag) for tag in entry["y"])
    return Clip(_id(path), path, entry["split"], labels, title=extra.get("title"), artist=extra.get("artist"))


def _won(data: Path) -> list[Clip]:
    tags = [canonical_tag(str(tag)) for tag in read_array(data, f"{WON}/tags.npy")]
    rows = read_array(data, f"{WON}/binary.npy")
    if rows.ndim != 2 or rows.shape[1] != len(tags):
        raise ValueError(f"{WON}/binary.npy has shape {rows.shape}, not a column for each of the {len(tags)} tags")
    clips = []
    for split in SPLITS:
        for entry in read_array(data, f"{WON}/{split}.npy"):
            row, path = str(entry).split("\t")
            labels = tuple(tag for tag, has in zip(tags, rows[int(row)], strict=True) if has)
            clips.append(Clip(_id(path), path, split, labels))
    return clips


def _id(path: str) -> str:
    """Return the clip id, made of the path: the lists share nothing else."""
    return path.removesuffix(".mp3")


_benchmark = partial(
    Benchmark,
    corpus="mtat",
    task="multilabel",
    main_metric="roc_auc",
    revision=REVISION,
    licence="split lists MIT (won2020) or unstated (codified); audio: Magnatune",
)
_FAULTS = (
    "Clips 35644, 55753 and 57881 have no audio: left out.",
    "Tags that mean the same (no vocals, no vocal, no voice) are kept apart, as published figures do.",
    "The two splits differ by about 7 points of PR-AUC for one model: compare figures of one split only.",
)

BENCHMARKS = (
    _benchmark(
        name="mtat-codified",
        title="MagnaTagATune top 50, all clips (jukemir)",
        source=_SOURCES["codified"],
        citation="Law et al. 2009; list: Castellon, Donahue and Liang 2021",
        files=(SourceFile(CODIFIED),),
        load=make_loader(_codified, _SOURCES["codified"]),
        faults=(*_FAULTS, "Clips that have none of the 50 tags are kept, as clips without labels."),
    ),
    _benchmark(
        name="mtat-won2020",
        title="MagnaTagATune top 50, clips with a tag (Won et al.)",
        source=_SOURCES["won2020"],
        citation="Law et al. 2009; split: Won, Ferraro, Bogdanov and Serra 2020",
        files=tuple(SourceFile(f"{WON}/{name}.npy") for name in ("tags", "binary", *SPLITS)),
        load=make_loader(_won, _SOURCES["won2020"]),
        faults=(*_FAULTS, "Clips that have none of the 50 tags are not in the lists."),
    ),
)
