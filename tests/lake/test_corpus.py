"""A labelled manifest as a training reads it."""

import json

import pyarrow as pa
import pytest

from lake.corpus import labelled_clips
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
    lines = [line("train", "flute"), line("valid", "flute"), line("test", "flute")]
    held = [line(split, "banjo", held_out=True) for split in ("train", "valid", "test")]
    clips = labelled_clips(tracks(*lines, *held))
    assert [(clip.split, clip.labels) for clip in clips] == [
        ("train", ("flute",)),
        ("valid", ("flute",)),
        ("test", ("flute",)),
        ("test", ("banjo",)),
    ]


def test_other_names_are_of_a_tag():
    named = line("train", "vibraphone", other_names={"vibraphone": ["vibes", " vibes", ""], "flute": None})
    unnamed = line("valid", "flute", other_names=["transverse flute"])
    first, second, _ = labelled_clips(tracks(named, unnamed, line("test", "flute")))
    assert dict(first.other_names) == {"vibraphone": ("vibes",), "flute": ()}
    assert second.other_names == ()


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([line("train", "flute"), line("valid", "flute")], "no line with tags is in the split test"),
        ([line("train", "flute"), line("", "flute")], "names a split for some lines only"),
        ([line("dev", "flute")], "has the split 'dev'; use train, valid or test"),
    ],
)
def test_a_manifest_that_cannot_be_split_is_one_line(lines, said):
    with pytest.raises(UserError, match=said):
        labelled_clips(tracks(*lines))
