"""A labelled corpus: a manifest whose lines have tags, sentences and a split -> clips."""

import json
from collections import Counter
from typing import Any

import pyarrow as pa

from lake.benchmarks.readers.splits import drawn_split
from schemas.benchmarks import SPLITS, Clip
from schemas.errors import UserError

_SENTENCES = ("sentences", "captions", "description", "caption")
_NO = ("", "0", "false", "no")  # as tables without types say it


def labelled_clips(tracks: pa.Table) -> list[Clip]:
    """The clips of a manifest that a training needs; UserError where a split has too few."""
    return with_every_split(manifest_clips(tracks))


def with_every_split(clips: list[Clip], which: str = "with tags") -> list[Clip]:
    """The clips; UserError where one of them would have none to be told apart from in training."""
    counts = Counter(clip.split for clip in clips)
    if missing := [split for split in SPLITS if not counts[split]]:
        raise UserError(f"no line {which} is in the split {' or '.join(missing)}: a training needs all three")
    if alone := [split for split in ("train", "valid") if counts[split] == 1]:
        raise UserError(
            f"one line {which} is in the split {' and '.join(alone)}: a training tells clips apart, give two"
        )
    return clips


def manifest_clips(tracks: pa.Table) -> list[Clip]:
    """Registry rows of a manifest -> the clips that have tags, sorted by track_id.

    Lines with `held_out` are of words that a training must not meet: only those of the test split are kept. Lists may
    be JSON lists or, as in a .csv, ;-separated. Where no line names a split, clips are drawn 70/10/20 by a
    hash of the artist, else of the track_id.
    """
    rows = sorted(tracks.to_pylist(), key=lambda row: row["track_id"])
    told = [json.loads(row["extra"] or "{}") for row in rows]
    if len({bool(extra.get("split")) for extra in told}) > 1:
        raise UserError("the manifest names a split for some lines only; name train, valid or test in all, or in none")
    pairs = [(_clip(row, extra), _is_held_out(extra)) for row, extra in zip(rows, told, strict=True)]
    return [clip for clip, held_out in pairs if clip.labels and (clip.split == "test" or not held_out)]


def _clip(row: dict[str, Any], extra: dict[str, Any]) -> Clip:
    name = row["track_id"]
    split = extra.get("split") or drawn_split(row["artist"] or name)
    if split not in SPLITS:
        raise UserError(f"{name} has the split {split!r}; use train, valid or test")
    sentences = next((column for column in _SENTENCES if extra.get(column)), "sentences")
    return Clip(
        clip_id=name,
        path=row["uri"],
        split=split,
        labels=_list(extra.get("tags"), ";", f"{name} has tags"),
        captions=_list(extra.get(sentences), None, f"{name} has {sentences}"),
        other_names=_other_names(extra.get("other_names"), f"{name} has other_names"),
        title=row["title"],
        artist=row["artist"],
    )


def _is_held_out(extra: dict[str, Any]) -> bool:
    return str(extra.get("held_out") or "").strip().lower() not in _NO


def _other_names(value: Any, where: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Of `{"vibraphone": ["vibes"]}`; of a list, which does not tell whose names they are, none."""
    return tuple((tag, _list(names, ";", where)) for tag, names in value.items()) if isinstance(value, dict) else ()


def _list(value: Any, separator: str | None, where: str) -> tuple[str, ...]:
    """Different, not empty, in their order; UserError where it is no list of words."""
    if isinstance(value, str):
        value = value.split(separator) if separator else [value]
    if not isinstance(value or [], list) or not all(isinstance(name, str) for name in value or [] if name is not None):
        raise UserError(f"{where} of the wrong kind: a list of words is needed, not {value!r:.60}")
    return tuple(dict.fromkeys(name.strip() for name in value or [] if name and name.strip()))
