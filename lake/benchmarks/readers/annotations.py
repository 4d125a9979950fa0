"""Reads annotation files; whatever is missing or broken becomes one line that says where to get it."""

import csv
import io
import json
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from schemas.benchmarks import SPLITS, Clip
from schemas.errors import UserError

# What comes of a file whose bytes are not what the loader expects.
_BREAKS = (ValueError, KeyError, IndexError, TypeError, AttributeError, EOFError, SyntaxError, csv.Error)

csv.field_size_limit(1 << 24)  # FMA keeps whole biographies in one field


def loader(read: Callable[[Path], list[Clip]], source: str) -> Callable[[Path], list[Clip]]:
    """`read` with its errors as UserErrors, and its clips checked for what every benchmark promises."""
    return partial(_checked, read, source)


def _checked(read: Callable[[Path], list[Clip]], source: str, data: Path) -> list[Clip]:
    try:
        clips = read(data)
    except FileNotFoundError as error:
        raise UserError(f"no such file: {error.filename or error}; get it from {source}") from error
    except OSError as error:
        raise UserError(f"cannot read {error.filename or data}: {error.strerror or error}") from error
    except _BREAKS as error:
        told = f"no entry {error}" if isinstance(error, KeyError) else " ".join(str(error).split())
        raise UserError(f"annotations below {data} are broken: {told}; get them again from {source}") from error
    if not clips:
        raise UserError(f"the annotations below {data} name no clip; get them again from {source}")
    twice, count = Counter(clip.clip_id for clip in clips).most_common(1)[0]
    if count > 1:
        raise UserError(f"the annotations below {data} name clip {twice} {count} times; get them again from {source}")
    if strange := {clip.split for clip in clips} - set(SPLITS):
        raise UserError(f"the annotations below {data} name a split {strange.pop()!r}; get them again from {source}")
    if outside := next((one.path for one in clips if one.path.startswith("/") or ".." in one.path.split("/")), None):
        raise UserError(f"the annotations below {data} name a file outside, {outside!r}; get them again from {source}")
    return clips


def text(data: Path, path: str) -> str:
    """The file as UTF-8, line ends as they are; ValueError where it is not."""
    try:
        return (data / path).read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 text") from error


def lines(data: Path, path: str) -> list[str]:
    """Lines without their ends and the blanks around them; empty ones left out."""
    return [line.strip() for line in text(data, path).split("\n") if line.strip()]


def table(data: Path, path: str, columns: tuple[str, ...]) -> list[dict[str, str]]:
    """Rows of a comma-separated file, blanks around names and values left out; ValueError where a column is missing.

    `columns` are those that every row must have; others come along.
    """
    rows = list(csv.reader(io.StringIO(text(data, path), newline="")))
    names = [name.strip() for name in rows[0]] if rows else []
    if missing := [name for name in columns if name not in names]:
        raise ValueError(f"{path} lacks the column {missing[0]}")
    found = [dict(zip(names, map(str.strip, row), strict=False)) for row in rows[1:] if row]
    for number, row in enumerate(found, start=2):
        if missing := [name for name in columns if name not in row]:
            raise ValueError(f"{path}: row {number} ends before the column {missing[0]}")
    return found


def parsed(data: Path, path: str) -> Any:
    """What a JSON file holds; ValueError where it is not JSON."""
    try:
        return json.loads(text(data, path))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is not JSON: {error}") from error


def array(data: Path, path: str) -> np.ndarray:
    """The array of a .npy file; ValueError where it is none, or holds pickled objects."""
    try:
        return np.load(io.BytesIO((data / path).read_bytes()), allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise ValueError(f"{path} is not a plain .npy file: {error}") from error
