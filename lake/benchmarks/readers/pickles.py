"""Reads pickles from strangers: containers, numbers, text and numpy arrays, and nothing that could run.

numpy's own classes are not handed out: a dtype whose fields lie outside its items, which a pickle may describe, reads
whatever memory it likes. Arrays are made here, of plain numbers and text.
"""

import io
import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np

_PLAIN_KIND = re.compile(r"[biufSU]\d+")


class _Kind:
    """Stands for numpy.dtype."""

    def __init__(self, code: str, *_: Any) -> None:
        if not isinstance(code, str) or not _PLAIN_KIND.fullmatch(code):
            raise pickle.UnpicklingError(f"it holds an array of {code!r}, which is not plain data")
        self.dtype = np.dtype(code)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.dtype = self.dtype.newbyteorder(state[1])  # the rest tells of fields, which plain kinds do not have


class _Array(np.ndarray):
    """Stands for numpy.ndarray; numpy itself checks that the bytes are as many as the shape needs."""

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        version, shape, kind, fortran, content = state
        super().__setstate__((version, shape, kind.dtype, fortran, content))


def _array(*_: Any) -> np.ndarray:
    """Stands for numpy's _reconstruct: an array without content, which `__setstate__` gives it."""
    return np.zeros(0, np.int8).view(_Array)


def _number(kind: _Kind, content: bytes | str) -> Any:
    return np.frombuffer(content.encode("latin1") if isinstance(content, str) else content, kind.dtype)[0]


# All that plain data ever names; anything else a pickle asks for would be code to be run.
_ALLOWED: dict[tuple[str, str], Any] = {
    ("builtins", "set"): set,
    ("builtins", "frozenset"): frozenset,
    ("numpy", "ndarray"): "numpy.ndarray",  # only ever named: who may call it makes arrays of any memory (tried)
    ("numpy", "dtype"): _Kind,
    **{(f"numpy.{core}.multiarray", "_reconstruct"): _array for core in ("core", "_core")},
    **{(f"numpy.{core}.multiarray", "scalar"): _number for core in ("core", "_core")},
}


class _DataOnly(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        module = {"__builtin__": "builtins"}.get(module, module)
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which is not plain data")
        return _ALLOWED[module, name]


def unpickled(data: Path, path: str) -> Any:
    """What a pickle holds, those of Python 2 as latin-1; ValueError where it is no pickle or more than plain data."""
    try:
        return _DataOnly(io.BytesIO((data / path).read_bytes()), encoding="latin1").load()
    except (
        *(pickle.UnpicklingError, EOFError, AttributeError, ImportError, IndexError, KeyError, TypeError),
        *(ValueError, OverflowError, MemoryError),
    ) as error:
        raise ValueError(f"{path} is not a pickle of plain data: {error}") from error
