"""Readers of annotation files.

Every missing or broken file becomes a message of one line that says where to get the file.
"""

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

Load = Callable[[Path], list[Clip]]

# What a reader raises if the bytes of a file are not what it expects.
_BROKEN_FILE_ERRORS = (
    ValueError,
    KeyError,
    IndexError,
    TypeError,
    AttributeError,
    EOFError,
    SyntaxError,
    csv.Error,
)

csv.field_size_limit(1 << 24)  # FMA keeps whole biographies in one field


def make_loader(read: Load, source: str) -> Load:
    """Wrap `read` so that its errors become UserErrors and its clips are checked.

    The checks are those that every benchmark promises: at least one clip, unique ids, known splits, and paths below
    the data folder. `source` is where a user gets the files.
    """
    return partial(_load_checked, read, source)


def _load_checked(read: Load, source: str, data: Path) -> list[Clip]:
    try:
        clips = read(data)
    except FileNotFoundError as error:
        raise UserError(f"no such file: {error.filename or error}; get it from {source}") from error
    except OSError as error:
        raise UserError(f"cannot read {error.filename or data}: {error.strerror or error}") from error
    except _BROKEN_FILE_ERRORS as error:
        message = f"no entry {error}" if isinstance(error, KeyError) else " ".join(str(error).split())
        raise UserError(f"annotations below {data} are broken: {message}; get them again from {source}") from error
    if fault := _first_fault(clips):
        raise UserError(f"the annotations below {data} name {fault}; get them again from {source}")
    return clips


def _first_fault(clips: list[Clip]) -> str | None:
    """Return what is wrong with the clips of a benchmark; None if nothing is."""
    if not clips:
        return "no clip"
    clip_id, count = Counter(clip.clip_id for clip in clips).most_common(1)[0]
    if count > 1:
        return f"clip {clip_id} {count} times"
    if unknown_splits := {clip.split for clip in clips} - set(SPLITS):
        return f"a split {unknown_splits.pop()!r}"
    for clip in clips:
        if clip.path.startswith("/") or ".." in clip.path.split("/"):
            return f"a file outside, {clip.path!r}"
    return None


def read_text(data: Path, path: str) -> str:
    """Read a UTF-8 file and keep its line ends. Raises ValueError if it is not UTF-8."""
    try:
        return (data / path).read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 text") from error


def read_lines(data: Path, path: str) -> list[str]:
    """Read the lines of a file, stripped, without the empty ones."""
    return [line.strip() for line in read_text(data, path).split("\n") if line.strip()]


def list_files(data: Path, folder: str, suffix: str) -> list[str]:
    """List the files in a folder that end in `suffix`.

    Returns their sorted names without the suffix. Raises FileNotFoundError if there is no such folder or no such file.
    """
    names = (path.name for path in (data / folder).iterdir())
    stems = sorted(name.removesuffix(suffix) for name in names if name.endswith(suffix) and not name.startswith("."))
    if not stems:
        raise FileNotFoundError(f"{data / folder}/*{suffix}")
    return stems


def read_table(data: Path, path: str, columns: tuple[str, ...]) -> list[dict[str, str]]:
    """Read the rows of a comma-separated file, with names and values stripped.

    Every row must have the named `columns`; the other columns are returned too. Raises ValueError if a column is
    missing.
    """
    lines = list(csv.reader(io.StringIO(read_text(data, path), newline="")))
    names = [name.strip() for name in lines[0]] if lines else []
    if missing := [name for name in columns if name not in names]:
        raise ValueError(f"{path} lacks the column {missing[0]}")
    rows = [dict(zip(names, map(str.strip, line), strict=False)) for line in lines[1:] if line]
    for number, row in enumerate(rows, start=2):
        if missing := [name for name in columns if name not in row]:
            raise ValueError(f"{path}: row {number} ends before the column {missing[0]}")
    return rows


def read_json(data: Path, path: str) -> Any:
    """Read a JSON file. Raises ValueError if it is not JSON."""
    try:
        return json.loads(read_text(data, path))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is not JSON: {error}") from error


def read_array(data: Path, path: str) -> np.ndarray:
    """Read the array of a .npy file. Raises ValueError if it is none, or holds pickled objects."""
    try:
        array: np.ndarray = np.load(io.BytesIO((data / path).read_bytes()), allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise ValueError(f"{path} is not a plain .npy file: {error}") from error
    return array
