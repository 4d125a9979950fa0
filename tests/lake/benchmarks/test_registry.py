"""What every benchmark promises, held against tiny layouts in the official formats."""

import contextlib
import dataclasses
import pickle
from collections import defaultdict
from pathlib import Path

import pytest

from lake.benchmarks.check import check
from lake.benchmarks.readers.splits import split_hash
from lake.benchmarks.registry import BENCHMARKS, benchmark
from schemas.benchmarks import SPLITS, SourceFile
from schemas.errors import UserError
from tests.lake.benchmarks.layouts import LAYOUTS

MAIN = {"multilabel": "roc_auc", "multiclass": "accuracy", "regression": "r2", "captions": "recall@10"}
every = pytest.mark.parametrize("name", BENCHMARKS)


@every
def test_the_declaration_says_what_people_need(name):
    one = BENCHMARKS[name]
    assert one.name == name
    assert one.main_metric == MAIN[one.task]
    assert all((one.corpus, one.title, one.revision, one.source, one.licence, one.citation, one.files, one.faults))
    assert all(fault.endswith(".") for fault in one.faults)
    assert bool(one.targets) == (one.task == "regression")
    assert len({file.path for file in one.files}) == len(one.files)


def test_a_corpus_has_one_revision_since_its_lake_is_named_by_it():
    revisions = defaultdict(set)
    for one in BENCHMARKS.values():
        revisions[one.corpus].add(one.revision)
    assert all(len(found) == 1 for found in revisions.values())
    assert revisions.keys() == LAYOUTS.keys()


@every
def test_clips_are_whole(name, layout):
    one = BENCHMARKS[name]
    clips = one.load(layout(one.corpus))
    ids = [clip.clip_id for clip in clips]
    assert len(set(ids)) == len(ids) > 0
    assert {clip.split for clip in clips} <= set(SPLITS)
    assert "test" in {clip.split for clip in clips}
    for clip in clips:
        assert isinstance(clip.clip_id, str)
        assert not clip.path.startswith("/")
        assert ".." not in clip.path
        assert len(set(clip.labels)) == len(clip.labels)
        assert all(isinstance(label, str) and label == label.strip() and label for label in clip.labels)
        assert len(clip.targets) == len(one.targets)
        if one.task == "multiclass":
            assert len(clip.labels) == 1
        if one.task == "captions":
            assert clip.captions
            assert all(caption.strip() for caption in clip.captions)
    assert any(clip.labels or clip.targets or clip.captions for clip in clips)


@every
def test_one_clip_id_is_one_file_in_the_whole_corpus(name, layout):
    one = BENCHMARKS[name]
    paths = {clip.clip_id: clip.path for clip in one.load(layout(one.corpus))}
    for other in BENCHMARKS.values():
        if other.corpus == one.corpus:
            for clip in other.load(layout(one.corpus)):
                assert paths.get(clip.clip_id, clip.path) == clip.path


@every
def test_the_layout_is_found_in_order_but_for_its_checksums(name, layout):
    one = BENCHMARKS[name]
    pinned = {file.path for file in one.files if file.sha256}
    assert {problem.path for problem in check(one, layout(one.corpus))} == pinned


@every
def test_it_can_be_sent_to_another_process(name, layout):
    one = pickle.loads(pickle.dumps(BENCHMARKS[name]))
    assert one.load(layout(one.corpus)) == BENCHMARKS[name].load(layout(one.corpus))


@every
def test_every_missing_annotation_is_told(name, own_copy):
    one = BENCHMARKS[name]
    data = own_copy(one)
    for file in one.files:
        kept = (data / file.path).read_bytes()
        (data / file.path).unlink()
        with pytest.raises(UserError, match=Path(file.path).name):
            one.load(data)
        assert [(p.path, p.what.split(":")[0]) for p in check(one, data) if p.what.startswith("missing")] == [
            (file.path, "missing")
        ]
        (data / file.path).write_bytes(kept)


@every
def test_every_broken_annotation_is_one_line_for_people(name, own_copy):
    one = BENCHMARKS[name]
    data = own_copy(one)
    for file in one.files:
        kept = (data / file.path).read_bytes()
        for broken in (b"", b"\xff\xfe\x00", b"<!DOCTYPE html>\n<p>Not found</p>\n"):
            (data / file.path).write_bytes(broken)
            with contextlib.suppress(UserError):
                one.load(data)
            assert not any("\n" in problem.what for problem in check(one, data))
        (data / file.path).write_bytes(kept)


@every
def test_check_finds_audio_that_is_gone_or_empty(name, own_copy):
    one = BENCHMARKS[name]
    data = own_copy(one)
    first, *_, last = (clip.path for clip in one.load(data))
    (data / last).unlink()
    (data / first).write_bytes(b"")
    found = {problem.path: problem.what for problem in check(one, data)}
    assert "empty" in found[first]
    assert "missing" in found[last]


def test_check_finds_annotations_of_another_revision(layout):
    one = BENCHMARKS["gtzan"]
    pinned = dataclasses.replace(one, files=(SourceFile("test_filtered.txt", "0" * 64),))
    [problem] = check(pinned, layout("gtzan"))
    assert problem.path == "test_filtered.txt"
    assert "another revision" in problem.what


def test_check_tells_broken_annotations_and_goes_on(own_copy):
    data = own_copy(BENCHMARKS["kvt"])
    (data / "kpop_split/test_labels.pkl").write_bytes(b"no pickle")
    [problem] = check(BENCHMARKS["kvt"], data)
    assert "kpop_split/test_labels.pkl is not a pickle" in problem.what


def test_check_lists_folders_and_asks_for_no_single_file(layout, monkeypatch):
    def refuse(path, *_, **__):
        raise AssertionError(f"asked for {path}")

    data, one = layout("emomusic"), BENCHMARKS["emomusic"]
    clips = one.load(data)
    monkeypatch.setattr("fsspec.implementations.local.LocalFileSystem.exists", refuse)
    monkeypatch.setattr("fsspec.implementations.local.LocalFileSystem.size", refuse)
    monkeypatch.setattr(Path, "stat", refuse)
    kept = dataclasses.replace(one, load=lambda _: clips, files=())
    assert check(kept, data) == []


def test_a_name_that_is_nearly_right_is_told():
    assert benchmark("gtzan") is BENCHMARKS["gtzan"]
    with pytest.raises(UserError, match="did you mean mtg-jamendo-genre"):
        benchmark("mtg-jamendo-genres")
    with pytest.raises(UserError, match="tonelake benchmarks"):
        benchmark("zzzz")


def test_the_split_hash_knows_content_and_not_order(layout):
    clips = BENCHMARKS["rendered"].load(layout("rendered"))
    whole = split_hash(clips, ("a", "b"))
    assert len(whole) == 12
    turned = [dataclasses.replace(clip, labels=clip.labels[::-1], path="elsewhere") for clip in clips[::-1]]
    assert split_hash(turned, ("b", "a")) == whole
    others = {
        split_hash(clips[1:], ("a", "b")),
        split_hash(clips, ("a", "b", "c")),
        split_hash([dataclasses.replace(clip, labels=clip.labels[1:]) for clip in clips], ("a", "b")),
        split_hash([dataclasses.replace(clip, captions=("other",)) for clip in clips], ("a", "b")),
    }
    assert len(others - {whole}) == 4
