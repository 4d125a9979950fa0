"""Reader of other people's pickles that runs none of their code.

It reads containers, numbers, text and numpy arrays. A pickle never gets numpy's own classes: it could describe a
dtype whose fields lie outside its items, and so read any memory of the process. This module makes the arrays itself,
of plain numbers and text.
"""

import io
import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np

_PLAIN_DTYPE = re.compile(r"[biufSU]\d+")

_BROKEN_PICKLE_ERRORS = (
    pickle.UnpicklingError,
    EOFError,
    AttributeError,
    ImportError,
    IndexError,
    KeyError,
    TypeError,
    ValueError,
    OverflowError,
    MemoryError,
)


class _PlainDtype:
    """Stand-in for numpy.dtype."""

    def __init__(self, code: str, *_: Any) -> None:
        if not isinstance(code, str) or not _PLAIN_DTYPE.fullmatch(code):
            raise pickle.UnpicklingError(f"it holds an array of {code!r}, which is not plain data")
        self.dtype = np.dtype(code)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        # Only the byte order; the rest of the state is about fields, which plain dtypes do not have.
        self.dtype = self.dtype.newbyteorder(state[1])


class _PlainArray(np.ndarray):
    """Stand-in for numpy.ndarray; numpy itself checks that the number of bytes fits the shape."""

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        version, shape, plain, is_fortran, content = state
        super().__setstate__((version, shape, plain.dtype, is_fortran, content))


def _empty_array(*_: Any) -> np.ndarray:
    """Stand in for numpy's _reconstruct: an array whose content `__setstate__` sets."""
    return np.zeros(0, np.int8).view(_PlainArray)


def _scalar(plain: _PlainDtype, content: bytes | str) -> Any:
    """Stand in for numpy's scalar."""
    return np.frombuffer(content.encode("latin1") if isinstance(content, str) else content, plain.dtype)[0]


# All that plain data names; any other name in a pickle would be code to run.
_ALLOWED: dict[tuple[str, str], Any] = {
    ("builtins", "set"): set,
    ("builtins", "frozenset"): frozenset,
    # Text only: plain data names the class but never calls it, and a call would make an array of any memory (tried).
    ("numpy", "ndarray"): "numpy.ndarray",
    ("numpy", "dtype"): _PlainDtype,
    **{(f"numpy.{core}.multiarray", "_reconstruct"): _empty_array for core in ("core", "_core")},
    **{(f"numpy.{core}.multiarray", "scalar"): _scalar for core in ("core", "_core")},
}


class _PlainDataUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        module = {"__builtin__": "builtins"}.get(module, module)
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which is not plain data")
        return _ALLOWED[module, name]


def read_pickle(data: Path, path: str) -> Any:
    """Read a pickle of plain data; the strings of Python 2 are read as latin-1.

    Raises ValueError if it is not a pickle, or holds more than plain data.
    """
    try:
        return _PlainDataUnpickler(io.BytesIO((data / path).read_bytes()), encoding="latin1").load()
    except _BROKEN_PICKLE_ERRORS as error:
        raise ValueError(f"{path} is not a pickle of plain data: {error}") from error
