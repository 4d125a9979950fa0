"""A user's own labels.csv: every mistake is reported, and splits are the same everywhere."""

from collections import Counter

import pytest

from lake.benchmarks.registry import BENCHMARKS
from schemas.errors import UserError
from tests.lake.benchmarks.layouts import put

load = BENCHMARKS["folder"].load


def test_rows_of_one_path_come_together(layout):
    clips = {clip.clip_id: clip for clip in load(layout("folder"))}
    assert clips["0.wav"].labels == ("rock", "live", "guitar")
    assert clips["0.wav"].captions == ("A loud song", "Another sentence")


def test_splits_are_drawn_by_hash(tmp_path):
    put(tmp_path, "labels.csv", "path,tags\n" + "".join(f"{n}.wav,rock\n" for n in range(2000)))
    shares = Counter(clip.split for clip in load(tmp_path))
    assert shares["test"] == pytest.approx(400, abs=60)
    assert shares["valid"] == pytest.approx(200, abs=45)
    put(tmp_path, "labels.csv", "path,tags\n5.wav,rock\n7.wav,rock\n")
    fewer = {clip.clip_id: clip.split for clip in load(tmp_path)}
    put(tmp_path, "labels.csv", "path,tags\n7.wav,rock\n5.wav,rock\n9.wav,rock\n")
    assert fewer.items() <= {clip.clip_id: clip.split for clip in load(tmp_path)}.items()


def test_named_splits_are_kept(tmp_path):
    put(tmp_path, "labels.csv", "\ufeffpath, split ,caption\r\na.wav,valid,Words\r\nb/c.wav,test,More\r\n")
    assert [(clip.path, clip.split) for clip in load(tmp_path)] == [("a.wav", "valid"), ("b/c.wav", "test")]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("file,tags\na.wav,rock\n", "lacks the column path"),
        ("path,title\na.wav,Song\n", "lacks the column tags or caption"),
        ("path,tags,split\na.wav,rock,dev\n", "use train, valid or test"),
        ("path,tags,split\na.wav,rock,train\na.wav,pop,test\n", "two splits"),
        ("path,tags\n/etc/a.wav,rock\n", "below the folder"),
        ("path,tags\n../a.wav,rock\n", "below the folder"),
        ("path,tags\n,rock\n", "row 2 needs a path"),
        ("tags,path\nrock\n", "row 2 ends before the column path"),
        ("path,tags\n", "name no clip"),
        ("", "lacks the column path"),
    ],
)
def test_mistakes_are_reported(tmp_path, content, message):
    put(tmp_path, "labels.csv", content)
    with pytest.raises(UserError, match=message):
        load(tmp_path)


def test_a_folder_without_labels_gets_advice(tmp_path):
    with pytest.raises(UserError, match=r"labels\.csv; write one with the columns path"):
        load(tmp_path)
