"""Million Song Dataset: Last.fm's 50 tags (Choi), and the 1,054 tags of ECALS.

The 50 tags of CALS are among those of ECALS. Files: MSD_split_for_tagging/ (a copy of that
repository), ecals_annotation/ and lastfm_annotation/ (dataset.tar.gz of Zenodo 7107130), and
audio/8/9/8947470.clip.mp3.
"""

import ast
from functools import partial
from pathlib import Path

from lake.benchmarks.readers.annotations import make_loader, read_array, read_json, read_lines, read_text
from lake.benchmarks.readers.pickles import read_pickle
from schemas.benchmarks import SPLITS, Benchmark, Clip, SourceFile

CHOI, ECALS, LASTFM, AUDIO = "MSD_split_for_tagging", "ecals_annotation", "lastfm_annotation", "audio"
REVISION = "2e08b89e-7107130"  # Choi's commit and ECALS's record: one, since a corpus has one lake
_SOURCES = {
    "choi": "https://github.com/keunwoochoi/MSD_split_for_tagging; audio: 7digital previews, not distributable",
    "ecals": "https://zenodo.org/records/7107130 (dataset.tar.gz); audio: 7digital previews, not distributable",
}
_UNSOUND = ("train_x_7d_bad_duration_id.txt", "train_x_7d_invalid_audio_id.txt")
_ECALS_PARTS = {"train_track": "train", "extra_track": "train", "valid_track": "valid", "test_track": "test"}

# Tags of TTMR's 50_results.json, music-text-representation at 5e54e0df.
CALS_50 = frozenset(
    (
        "rock,pop,indie,alternative,electronic,hip hop,metal,jazz,punk,folk,alternative rock,"
        "indie rock,dance,hard rock,00s,soul,hardcore,80s,country,classic rock,punk rock,blues,"
        "chillout,experimental,heavy metal,death metal,90s,reggae,progressive rock,ambient,acoustic,"
        "beautiful,british,rnb,funk,metalcore,mellow,world,guitar,trance,indie pop,christian,"
        "house,spanish,latin,psychedelic,electro,piano,70s,progressive metal"
    ).split(",")
)


def _choi(data: Path) -> list[Clip]:
    tags = _choi_tags(data)
    unsound = {name for path in _UNSOUND for name in read_lines(data, f"{CHOI}/{path}")}
    return [clip for split in SPLITS for clip in _choi_split(data, split, tags, unsound)]


def _choi_tags(data: Path) -> list[str]:
    """Read the names of the label columns from a Python file, without running it."""
    statement = ast.parse(read_text(data, f"{CHOI}/tags.py")).body[0]
    if not isinstance(statement, ast.Assign):
        raise ValueError(f"{CHOI}/tags.py does not begin with the list of tags")
    return [tag.lower() for tag in ast.literal_eval(statement.value)]


def _choi_split(data: Path, split: str, tags: list[str], unsound: set[str]) -> list[Clip]:
    ids = read_lines(data, f"{CHOI}/{split}_x_msd_id.txt")
    files = read_lines(data, f"{CHOI}/{split}_x_filename.txt")
    rows = read_array(data, f"{CHOI}/{split}_y.npy")
    if rows.shape != (len(ids), len(tags)) or len(files) != len(ids):
        raise ValueError(f"{CHOI}: {split} has {len(ids)} ids, {len(files)} files and labels of shape {rows.shape}")
    clips = []
    for msd_id, file, row in zip(ids, files, rows, strict=True):
        stem = file.removesuffix(".npy")
        if stem.split("/")[-1] not in unsound:
            labels = tuple(tags[column] for column in row.nonzero()[0])
            clips.append(Clip(msd_id, f"{AUDIO}/{stem}.clip.mp3", split, labels))
    return clips


def _ecals(cals_only: bool, data: Path) -> list[Clip]:
    """Return the ECALS clips; if `cals_only`, with the tags of CALS alone and without captions."""
    annotations = read_json(data, f"{ECALS}/annotation.json")
    parts = read_json(data, f"{ECALS}/ecals_track_split.json")
    # The queries of TTMR are the joined tags of a thousand test tracks; the other tracks have no caption.
    captioned = set() if cals_only else set(read_json(data, f"{ECALS}/multiquery_samples.json"))
    to_7digital = read_pickle(data, f"{LASTFM}/MSD_id_to_7D_id.pkl")
    to_path = read_pickle(data, f"{LASTFM}/7D_id_to_path.pkl")
    clips = []
    for part, split in _ECALS_PARTS.items():
        for msd_id in parts[part]:
            track = annotations[msd_id]
            tags = tuple(tag for tag in track["tag"] if not cals_only or tag in CALS_50)
            captions = (", ".join(tags),) if msd_id in captioned else ()
            path = f"{AUDIO}/{to_path[to_7digital[msd_id]]}"
            clips.append(
                Clip(
                    clip_id=msd_id,
                    path=path,
                    split=split,
                    labels=tags,
                    captions=captions,
                    title=track.get("title"),
                    artist=track.get("artist_name"),
                )
            )
    return clips


_benchmark = partial(Benchmark, corpus="msd", task="multilabel", main_metric="roc_auc", revision=REVISION)
_ecals_benchmark = partial(
    _benchmark,
    source=_SOURCES["ecals"],
    licence="unstated; audio not distributable",
    citation="Bertin-Mahieux et al. 2011; Won et al. 2021; Doh, Won, Choi and Nam 2023",
)
_ECALS_FILES = (
    *(f"{ECALS}/{name}.json" for name in ("annotation", "ecals_track_split")),
    *(f"{LASTFM}/{name}.pkl" for name in ("MSD_id_to_7D_id", "7D_id_to_path")),
)
_PICKLES = "Two files are pickles: only plain data is read from them; a pickle that asks for more is refused."

BENCHMARKS = (
    _benchmark(
        name="msd-50",
        title="Million Song Dataset, Last.fm's 50 tags",
        source=_SOURCES["choi"],
        licence="lists: none given; audio not distributable",
        citation="Bertin-Mahieux et al. 2011; split: Choi, Fazekas and Sandler 2016",
        files=tuple(
            SourceFile(f"{CHOI}/{path}")
            for path in (
                "tags.py",
                *_UNSOUND,
                *(f"{split}_{name}" for split in SPLITS for name in ("x_msd_id.txt", "x_filename.txt", "y.npy")),
            )
        ),
        load=make_loader(_choi, _SOURCES["choi"]),
        faults=(
            "Training clips that the repository lists with wrong duration or invalid audio are left out.",
            "The lists name .npy files: .clip.mp3 is read instead. Tags are changed to lower case.",
            "The split does not keep artists apart (Won et al. 2021).",
        ),
    ),
    _ecals_benchmark(
        name="msd-cals-50",
        title="Million Song Dataset, the 50 tags of CALS",
        files=tuple(map(SourceFile, _ECALS_FILES)),
        load=make_loader(partial(_ecals, True), _SOURCES["ecals"]),
        faults=(_PICKLES, "Another list than Last.fm's 50: 35 tags in common. Clips that have none of them are kept."),
    ),
    _ecals_benchmark(
        name="msd-ecals",
        title="Million Song Dataset, the 1,054 tags of ECALS, and their sentences",
        files=tuple(map(SourceFile, (*_ECALS_FILES, f"{ECALS}/multiquery_samples.json"))),
        load=make_loader(partial(_ecals, False), _SOURCES["ecals"]),
        faults=(
            _PICKLES,
            "A caption is a track's tags, joined; only the 1,000 test tracks of TTMR's queries have one.",
        ),
    ),
)
