"""A labelled corpus: a manifest whose lines have tags, sentences and a split -> clips."""

import json
from typing import Any

import pyarrow as pa

from lake.benchmarks.splits import drawn_split
from schemas.benchmarks import SPLITS, Clip
from schemas.errors import UserError

_SENTENCES = ("sentences", "captions", "description", "caption")


def labelled_clips(tracks: pa.Table) -> list[Clip]:
    """The clips of a manifest that a training needs; UserError where a split has none."""
    clips = manifest_clips(tracks)
    if missing := [split for split in SPLITS if all(clip.split != split for clip in clips)]:
        raise UserError(f"no line with tags is in the split {' or '.join(missing)}: a training needs all three")
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
    pairs = [(_clip(row, extra), bool(extra.get("held_out"))) for row, extra in zip(rows, told, strict=True)]
    return [clip for clip, held_out in pairs if clip.labels and (clip.split == "test" or not held_out)]


def _clip(row: dict[str, Any], extra: dict[str, Any]) -> Clip:
    split = extra.get("split") or drawn_split(row["artist"] or row["track_id"])
    if split not in SPLITS:
        raise UserError(f"{row['track_id']} has the split {split!r}; use train, valid or test")
    return Clip(
        clip_id=row["track_id"],
        path=row["uri"],
        split=split,
        labels=_list(extra.get("tags"), ";"),
        captions=next((_list(extra[name], None) for name in _SENTENCES if extra.get(name)), ()),
        other_names=_other_names(extra.get("other_names")),
        title=row["title"],
        artist=row["artist"],
    )


def _other_names(value: Any) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Of `{"vibraphone": ["vibes"]}`; of a list, which does not tell whose names they are, none."""
    return tuple((tag, _list(names, ";")) for tag, names in value.items()) if isinstance(value, dict) else ()


def _list(value: Any, separator: str | None) -> tuple[str, ...]:
    """Different, not empty, in their order."""
    if isinstance(value, str):
        value = value.split(separator) if separator else [value]
    return tuple(dict.fromkeys(name.strip() for name in value or [] if name and name.strip()))
