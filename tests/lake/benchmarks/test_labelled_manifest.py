"""A labelled manifest, as a training reads it."""

import json

import pyarrow as pa
import pytest

from lake.benchmarks.labelled_manifest import labelled_clips, manifest_clips
from schemas.errors import UserError


def tracks(*extras):
    rows = [
        {"track_id": f"{number}", "uri": f"{number}.wav", "title": None, "artist": None, "extra": json.dumps(extra)}
        for number, extra in enumerate(extras)
    ]
    return pa.Table.from_pylist(rows)


def line(split, *tags, **more):
    return {"split": split, "tags": list(tags)} | more


def test_held_out_lines_are_only_for_the_test_split():
    lines = [line(split, "flute") for split in ("train", "train", "valid", "valid", "test")]
    held_out_lines = [line(split, "banjo", held_out=True) for split in ("train", "valid", "test")]
    clips = labelled_clips(tracks(*lines, *held_out_lines))
    assert [(clip.split, clip.labels) for clip in clips] == [
        *[("train", ("flute",))] * 2,
        *[("valid", ("flute",))] * 2,
        ("test", ("flute",)),
        ("test", ("banjo",)),
    ]


@pytest.mark.parametrize("no", [False, None, 0, "", "0", "false", "False", " no "])
def test_a_table_without_types_can_say_that_nothing_is_held_out(no):
    lines = [line("train", "flute", held_out=no), line("test", "flute")]
    assert [clip.split for clip in manifest_clips(tracks(*lines))] == ["train", "test"]


def test_a_table_without_types_can_hold_out():
    lines = [line("train", "banjo", held_out=yes) for yes in ("True", "1", "yes", True, 1)]
    assert manifest_clips(tracks(*lines)) == []


def test_other_names_are_of_a_tag():
    named = line("train", "vibraphone", other_names={"vibraphone": ["vibes", " vibes", ""], "flute": None})
    unnamed = line("valid", "flute", other_names=["transverse flute"])
    first, second = manifest_clips(tracks(named, unnamed))
    assert dict(first.other_names) == {"vibraphone": ("vibes",), "flute": ()}
    assert second.other_names == ()


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([line("train", "flute"), line("valid", "flute")], "no line with tags is in the split test"),
        ([line("train", "flute"), line("", "flute")], "names a split for some lines only"),
        (
            [line("train", "flute")] * 2 + [line("valid", "a"), line("test", "b")],
            "one line with tags is in the split valid",
        ),
        ([line("dev", "flute")], "has the split 'dev'; use train, valid or test"),
        ([line(["train"], "flute")], "has the split"),
        ([line("train") | {"tags": 5}], "0 has tags of the wrong kind: a list of words is needed, not 5"),
        ([line("train", 1999, "flute")], "0 has tags of the wrong kind"),
        ([line("train", "flute", sentences=[["a"]])], "0 has sentences of the wrong kind"),
        ([line("train", "flute", other_names={"flute": [3]})], "0 has other_names of the wrong kind"),
    ],
)
def test_a_manifest_that_cannot_be_split_is_one_line(lines, message):
    with pytest.raises(UserError, match=message):
        labelled_clips(tracks(*lines))
