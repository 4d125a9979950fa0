"""What every benchmark promises, tested on tiny layouts in the official formats."""

import contextlib
import dataclasses
import pickle
from collections import defaultdict
from pathlib import Path

import pytest

from lake.benchmarks.check import check_files
from lake.benchmarks.readers.splits import split_hash
from lake.benchmarks.registry import BENCHMARKS, find_benchmark
from schemas.benchmarks import SPLITS, SourceFile
from schemas.descriptions import KEYS, MODES
from schemas.errors import UserError
from tests.lake.benchmarks.layouts import LAYOUTS

MAIN = {
    "multilabel": "roc_auc",
    "multiclass": "accuracy",
    "regression": "r2",
    "captions": "recall@10",
    "tempo": "accuracy1",
    "key": "weighted",
}
FILE_PER_CLIP = {"giantsteps-key", "gtzan-rhythm"}
every = pytest.mark.parametrize("name", BENCHMARKS)


@every
def test_the_declaration_says_what_people_need(name):
    declared = BENCHMARKS[name]
    assert declared.name == name
    assert declared.main_metric == MAIN[declared.task]
    for name in ("corpus", "title", "revision", "source", "licence", "citation", "faults"):
        assert getattr(declared, name), name
    assert bool(declared.files) == (declared.name not in FILE_PER_CLIP)
    assert all(fault.endswith(".") for fault in declared.faults)
    assert bool(declared.targets) == (declared.task in ("regression", "tempo"))
    assert len({file.path for file in declared.files}) == len(declared.files)


def test_a_corpus_has_one_revision_since_its_lake_is_named_by_it():
    revisions = defaultdict(set)
    for declared in BENCHMARKS.values():
        revisions[declared.corpus].add(declared.revision)
    assert all(len(corpus_revisions) == 1 for corpus_revisions in revisions.values())
    assert revisions.keys() == LAYOUTS.keys()


@every
def test_clips_are_whole(name, layout):
    declared = BENCHMARKS[name]
    clips = declared.load(layout(declared.corpus))
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
        if declared.task == "tempo":
            assert len(clip.targets) <= 1
            assert all(tempo > 0 for tempo in clip.targets)
        else:
            assert len(clip.targets) == len(declared.targets)
        if declared.task == "multiclass":
            assert len(clip.labels) == 1
        if declared.task == "key":
            assert set(clip.labels) <= {f"{tonic} {mode}" for tonic in KEYS for mode in MODES}
            assert len(clip.labels) <= 1
        if declared.task == "captions":
            assert clip.captions
            assert all(caption.strip() for caption in clip.captions)
    assert any(clip.labels or clip.targets or clip.captions for clip in clips)


@every
def test_one_clip_id_is_one_file_in_the_whole_corpus(name, layout):
    declared = BENCHMARKS[name]
    paths = {clip.clip_id: clip.path for clip in declared.load(layout(declared.corpus))}
    for other in BENCHMARKS.values():
        if other.corpus == declared.corpus:
            for clip in other.load(layout(declared.corpus)):
                assert paths.get(clip.clip_id, clip.path) == clip.path


@every
def test_the_layout_has_no_problem_but_its_checksums(name, layout):
    declared = BENCHMARKS[name]
    pinned = {file.path for file in declared.files if file.sha256}
    assert {problem.path for problem in check_files(declared, layout(declared.corpus))} == pinned


@every
def test_it_can_be_sent_to_another_process(name, layout):
    declared = pickle.loads(pickle.dumps(BENCHMARKS[name]))
    assert declared.load(layout(declared.corpus)) == BENCHMARKS[name].load(layout(declared.corpus))


@every
def test_every_missing_annotation_is_reported(name, own_copy):
    declared = BENCHMARKS[name]
    data = own_copy(declared)
    for file in declared.files:
        kept = (data / file.path).read_bytes()
        (data / file.path).unlink()
        with pytest.raises(UserError, match=Path(file.path).name):
            declared.load(data)
        missing = [problem for problem in check_files(declared, data) if problem.message.startswith("missing")]
        assert [(problem.path, problem.message.split(":")[0]) for problem in missing] == [(file.path, "missing")]
        (data / file.path).write_bytes(kept)


@every
def test_every_broken_annotation_is_one_line(name, own_copy):
    declared = BENCHMARKS[name]
    data = own_copy(declared)
    for file in declared.files:
        kept = (data / file.path).read_bytes()
        for broken in (b"", b"\xff\xfe\x00", b"<!DOCTYPE html>\n<p>Not found</p>\n"):
            (data / file.path).write_bytes(broken)
            with contextlib.suppress(UserError):
                declared.load(data)
            assert not any("\n" in problem.message for problem in check_files(declared, data))
        (data / file.path).write_bytes(kept)


@every
def test_check_finds_audio_that_is_gone_or_empty(name, own_copy):
    declared = BENCHMARKS[name]
    data = own_copy(declared)
    first, *_, last = (clip.path for clip in declared.load(data))
    (data / last).unlink()
    (data / first).write_bytes(b"")
    messages = {problem.path: problem.message for problem in check_files(declared, data)}
    assert "empty" in messages[first]
    assert "missing" in messages[last]


def test_check_finds_annotations_of_another_revision(layout):
    declared = BENCHMARKS["gtzan"]
    pinned = dataclasses.replace(declared, files=(SourceFile("test_filtered.txt", "0" * 64),))
    [problem] = check_files(pinned, layout("gtzan"))
    assert problem.path == "test_filtered.txt"
    assert "another revision" in problem.message


def test_check_reports_broken_annotations_and_goes_on(own_copy):
    data = own_copy(BENCHMARKS["kvt"])
    (data / "kpop_split/test_labels.pkl").write_bytes(b"no pickle")
    [problem] = check_files(BENCHMARKS["kvt"], data)
    assert "kpop_split/test_labels.pkl is not a pickle" in problem.message


def test_check_lists_folders_and_opens_no_single_file(layout, monkeypatch):
    def refuse(path, *_, **__):
        raise AssertionError(f"opened {path}")

    data, declared = layout("emomusic"), BENCHMARKS["emomusic"]
    clips = declared.load(data)
    monkeypatch.setattr("fsspec.implementations.local.LocalFileSystem.exists", refuse)
    monkeypatch.setattr("fsspec.implementations.local.LocalFileSystem.size", refuse)
    monkeypatch.setattr(Path, "stat", refuse)
    kept = dataclasses.replace(declared, load=lambda _: clips, files=())
    assert check_files(kept, data) == []


def test_a_wrong_name_gets_a_suggestion():
    assert find_benchmark("gtzan") is BENCHMARKS["gtzan"]
    with pytest.raises(UserError, match="did you mean mtg-jamendo-genre"):
        find_benchmark("mtg-jamendo-genres")
    with pytest.raises(UserError, match="tonelake benchmarks"):
        find_benchmark("zzzz")


def test_the_split_hash_depends_on_content_and_not_on_order(layout):
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
