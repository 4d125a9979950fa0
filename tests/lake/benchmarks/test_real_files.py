"""The official files themselves, where they are at hand: counts are those of facts/benchmarks-and-encoders.md."""

import csv
import pickle
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from lake.benchmarks import emotify, mtat
from lake.benchmarks.check import check_files
from lake.benchmarks.msd import CALS_50
from lake.benchmarks.registry import BENCHMARKS
from schemas.benchmarks import SPLITS
from tests.lake.benchmarks.layouts import put, put_array

ROOT = Path(__file__).parents[3]
# Files whose licence allows it are part of the repository; the others may lie beside it.
FOLDERS = (ROOT / "tests/data/benchmarks", ROOT.parent / "shared/data/benchmarks")


def official(path):
    """The path of an official file; skips the test if it is not at hand."""
    paths = [folder / path for folder in FOLDERS if (folder / path).is_file()]
    if not paths:
        pytest.skip(f"{path} is not in {FOLDERS[-1]}")
    return paths[0]


def splits(clips):
    counts = Counter(clip.split for clip in clips)
    return tuple(counts[split] for split in SPLITS)


def words(path):
    return [line for line in official(path).read_text().split("\n") if line]


def link(folder, path, source):
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    (folder / path).symlink_to(official(source))


@pytest.fixture
def real(tmp_path):
    """Clips of a benchmark whose saved files are verbatim; their checksums must be those declared."""

    def load(name, **sources):
        benchmark = BENCHMARKS[name]
        for file in benchmark.files:
            source = sources.get("under", "") + Path(file.path).name
            link(tmp_path, file.path, f"{sources['folder']}/{source}")
        clips = benchmark.load(tmp_path)
        problem_paths = {problem.path for problem in check_files(benchmark, tmp_path)}
        assert not problem_paths & {file.path for file in benchmark.files}
        return clips

    return load


def test_gtzan(real):
    clips = real("gtzan", folder="gtzan")
    assert splits(clips) == (443, 197, 290)
    train = Counter(clip.labels[0] for clip in clips if clip.split == "train")
    assert (len(train), train["pop"], train["classical"]) == (10, 41, 48)


@pytest.mark.parametrize(
    ("labels", "sizes", "tags", "fewest"),
    [
        ("top50", (32136, 10888, 11356), 50, 176),
        ("genre", (32572, 11043, 11479), 87, 23),
        ("instrument", (14395, 5466, 5115), 40, 21),
        ("moodtheme", (9949, 3802, 4231), 56, 25),
    ],
)
def test_mtg_jamendo(real, labels, sizes, tags, fewest):
    clips = real(f"mtg-jamendo-{labels}", folder="mtg_jamendo", under="splits/split-0/")
    assert splits(clips) == sizes
    assert len({label for clip in clips for label in clip.labels}) == tags
    assert min(Counter(label for clip in clips if clip.split == "test" for label in clip.labels).values()) == fewest
    artists = [{clip.artist for clip in clips if clip.split == split} for split in SPLITS]
    assert not artists[0] & artists[1]
    assert not artists[2] & (artists[0] | artists[1])
    file = "mtg_top50tags" if labels == "top50" else f"mtg_{labels}"
    assert {label for clip in clips for label in clip.labels} == set(words(f"ttmr_results/tag_lists/{file}.txt"))


def test_emotify(real, tmp_path):
    clips = real("emotify", folder="emotify")
    assert Counter(clip.labels[0] for clip in clips) == {
        "calmness": 98,
        "joyful_activation": 93,
        "nostalgia": 53,
        "tension": 44,
        "power": 34,
        "solemnity": 29,
        "tenderness": 27,
        "sadness": 19,
        "amazement": 3,
    }
    assert splits(clips)[2] == 80
    assert splits(clip for clip in clips if clip.labels == ("amazement",)) == (1, 1, 1)
    counts = [sorted(felt.values()) for _, felt in emotify.count_votes(tmp_path).values()]
    assert sum(votes[-1] == votes[-2] for votes in counts) == 57
    published = BENCHMARKS["emotify-published"].load(tmp_path)
    assert sum(right.path != wrong.path for right, wrong in zip(clips, published, strict=True)) == 27
    assert len({clip.path for clip in clips}) == 400


def test_song_describer(real, tmp_path):
    clips = real("song-describer", folder="song_describer")
    assert (sum(len(clip.captions) for clip in clips), len(clips)) == (746, 547)
    every = BENCHMARKS["song-describer-all"].load(tmp_path)
    assert (sum(len(clip.captions) for clip in every), len(every)) == (1106, 706)
    assert "audio/34/1004034.2min.mp3" in {clip.path for clip in clips}


def test_emomusic(real):
    clips = real("emomusic", folder="emomusic")
    train, valid, test = splits(clips)
    assert (train + valid, test) == (619, 125)
    assert 60 < valid < 130
    assert {clip.clip_id: clip.targets for clip in clips}["2"] == (3.1, 3.0)
    assert not any("\t" in f"{clip.path}{clip.artist}{clip.title}" for clip in clips)
    artists = [{clip.artist for clip in clips if clip.split == split} for split in SPLITS]
    assert not artists[0] & artists[1]
    assert len((artists[0] | artists[1]) & artists[2]) == 52


def test_kvt(tmp_path):
    for split in SPLITS:
        with official(f"kvt/{split}.tsv").open(newline="") as file:
            rows = list(csv.DictReader(file, delimiter="\t"))
        names = [row.pop("file") for row in rows]
        votes = [{" Ballad" if tag == "Ballad" else tag: int(n) for tag, n in row.items()} for row in rows]
        put(tmp_path, f"kpop_split/{split}_files.pkl", pickle.dumps(names))
        put(tmp_path, f"kpop_split/{split}_labels.pkl", pickle.dumps(votes))
    clips = BENCHMARKS["kvt"].load(tmp_path)
    assert splits(clips) == (4399, 1012, 1375)  # 1013 before the one with fewer than two tags is dropped
    assert np.mean([len(clip.labels) for clip in clips]) == pytest.approx(22.78, abs=0.01)
    assert {label for clip in clips for label in clip.labels} == set(words("ttmr_results/tag_lists/kvt.txt"))


@pytest.fixture(scope="module")
def lee():
    """Lee's lists: path -> tags, of valid and test."""
    lists = {}
    for split in ("valid", "test"):
        rows = [line.split("\t") for line in words(f"mtat/lee2017/y_{split}_pub.tsv")[1:]]
        lists[split] = {path: [tag for tag in tags.split("|") if tag] for path, tags in rows}
    return lists


def test_mtat_won2020_and_lee_have_the_same_clips_and_labels(lee, tmp_path):
    tags = words("mtat/won2020/tags.txt")
    entries = {split: words(f"mtat/won2020/{split}.tsv") for split in ("valid", "test")}
    rows = np.zeros((25863, len(tags)))
    for split, lines in entries.items():
        for line in lines:
            row, path = line.split("\t")
            for tag in lee[split][path.replace(".mp3", ".npy")]:
                rows[int(row), tags.index(mtat.canonical_tag(tag))] = 1
        put_array(tmp_path, f"split/mtat/{split}.npy", np.array(lines))
    put_array(tmp_path, "split/mtat/train.npy", np.array([], dtype="<U1"))
    put_array(tmp_path, "split/mtat/binary.npy", rows)
    put_array(tmp_path, "split/mtat/tags.npy", np.array(tags))
    clips = BENCHMARKS["mtat-won2020"].load(tmp_path)
    assert splits(clips) == (0, 1529, 4332)
    for split in ("valid", "test"):
        labels = {f"{clip.clip_id}.npy": sorted(clip.labels) for clip in clips if clip.split == split}
        assert labels == {path: sorted(map(mtat.canonical_tag, tags)) for path, tags in lee[split].items()}
    assert sum("cello" in clip.labels for clip in clips if clip.split == "test") == 20


def test_mtat_lists_agree_on_the_fifty_tags():
    tags = {mtat.canonical_tag(tag) for tag in words("mtat/lee2017/top50_tags.txt")}
    assert len(tags) == 50
    assert tags == {mtat.canonical_tag(tag) for tag in words("mtat/won2020/tags.txt")}
    assert tags == set(words("ttmr_results/tag_lists/mtat.txt")) == set(words("ttmr_results/tag_lists/mtat_minz.txt"))


def test_cals_50_is_among_the_ecals_tags():
    assert set(words("msd_ecals/cals_tags_50.txt")) == CALS_50
    assert set(words("msd_ecals/ecals_tags_1054.txt")) >= CALS_50
    assert len(words("msd_ecals/ecals_tags_1054.txt")) == 1054


def test_a_changed_official_file_is_another_revision(tmp_path):
    for file in BENCHMARKS["gtzan"].files:
        shutil.copyfile(official(f"gtzan/{file.path}"), tmp_path / file.path)
    with (tmp_path / "test_filtered.txt").open("a") as file:
        file.write("rock/rock.00099.wav\n")
    messages = {problem.path: problem.message for problem in check_files(BENCHMARKS["gtzan"], tmp_path)}
    assert "another revision" in messages["test_filtered.txt"]
