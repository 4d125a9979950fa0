"""Clips for a training, from a manifest whose lines have tags, sentences and a split."""

import json
from collections import Counter
from typing import Any

import pyarrow as pa

from lake.benchmarks.readers.splits import draw_split
from schemas.benchmarks import SPLITS, Clip
from schemas.errors import UserError

_SENTENCE_COLUMNS = ("sentences", "captions", "description", "caption")
_FALSE_WORDS = ("", "0", "false", "no")  # how files without types, such as .csv, write false


def labelled_clips(tracks: pa.Table, *, all_words: bool = False) -> list[Clip]:
    """Return the clips that a training needs. Raises UserError if a split has too few."""
    return require_every_split(manifest_clips(tracks, all_words=all_words))


def require_every_split(clips: list[Clip], description: str = "with tags") -> list[Clip]:
    """Return the clips. Raises UserError if a split has too few.

    Every split needs a clip, and train and valid need two, since training contrasts clips with each other.
    `description` says in the message which lines count.
    """
    counts = Counter(clip.split for clip in clips)
    if missing := [split for split in SPLITS if not counts[split]]:
        raise UserError(f"no line {description} is in the split {' or '.join(missing)}: a training needs all three")
    if single := [split for split in ("train", "valid") if counts[split] == 1]:
        raise UserError(
            f"one line {description} is in the split {' and '.join(single)}: a training tells clips apart, give two"
        )
    return clips


def manifest_clips(tracks: pa.Table, *, all_words: bool = False) -> list[Clip]:
    """Convert registry rows of a manifest to the clips that have tags, sorted by track_id.

    Lines with `held_out` have words that a training must not see: only those of the test split are kept, unless
    `all_words`. Lists are JSON lists or, as in a .csv, ;-separated. If no line names a split, clips are drawn
    70/10/20 by a hash of the artist, else of the track_id. Raises UserError if only some lines name a split, or a line
    is malformed.
    """
    rows = sorted(tracks.to_pylist(), key=lambda row: row["track_id"])
    extras = [json.loads(row["extra"] or "{}") for row in rows]
    if len({bool(extra.get("split")) for extra in extras}) > 1:
        raise UserError("the manifest names a split for some lines only; name train, valid or test in all, or in none")
    pairs = [(_clip(row, extra), _is_held_out(extra)) for row, extra in zip(rows, extras, strict=True)]
    return [
        clip for clip, is_held_out in pairs if clip.labels and (all_words or clip.split == "test" or not is_held_out)
    ]


def _clip(row: dict[str, Any], extra: dict[str, Any]) -> Clip:
    name = row["track_id"]
    split = extra.get("split") or draw_split(row["artist"] or name)
    if split not in SPLITS:
        raise UserError(f"{name} has the split {split!r}; use train, valid or test")
    sentences = next((column for column in _SENTENCE_COLUMNS if extra.get(column)), "sentences")
    return Clip(
        clip_id=name,
        path=row["uri"],
        split=split,
        labels=_words(extra.get("tags"), ";", f"{name} has tags"),
        captions=_words(extra.get(sentences), None, f"{name} has {sentences}"),
        other_names=_other_names(extra.get("other_names"), f"{name} has other_names"),
        title=row["title"],
        artist=row["artist"],
    )


def _is_held_out(extra: dict[str, Any]) -> bool:
    return str(extra.get("held_out") or "").strip().lower() not in _FALSE_WORDS


def _other_names(value: Any, subject: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return the other names of each tag, from a mapping like `{"vibraphone": ["vibes"]}`.

    A plain list does not say which tag its names belong to, so it gives none.
    """
    if not isinstance(value, dict):
        return ()
    return tuple((tag, _words(names, ";", subject)) for tag, names in value.items())


def _words(value: Any, separator: str | None, subject: str) -> tuple[str, ...]:
    """Return the distinct, non-empty words of a list, in order. Raises UserError if it is no list of words.

    A string is split at `separator`, or is one word if that is None. `subject` begins the message.
    """
    if isinstance(value, str):
        value = value.split(separator) if separator else [value]
    words = value or []
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words if word is not None):
        raise UserError(f"{subject} of the wrong kind: a list of words is needed, not {value!r:.60}")
    return tuple(dict.fromkeys(word.strip() for word in words if word and word.strip()))
