"""Reads pickles from strangers: containers, numbers, text and numpy arrays, and nothing that could run."""

import io
import pickle
from pathlib import Path
from typing import Any

# All that plain data ever names; anything else a pickle asks for would be code to be run.
_ALLOWED = {
    ("builtins", name)
    for name in ("list", "dict", "set", "frozenset", "tuple", "str", "int", "float", "bool", "bytes")
} | {
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    *((f"numpy.{core}.multiarray", name) for core in ("core", "_core") for name in ("_reconstruct", "scalar")),
}


class _DataOnly(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which is not plain data")
        return super().find_class(module.replace("numpy.core", "numpy._core"), name)


def unpickled(data: Path, path: str) -> Any:
    """What a pickle holds, those of Python 2 as latin-1; ValueError where it is no pickle or more than plain data."""
    try:
        return _DataOnly(io.BytesIO((data / path).read_bytes()), encoding="latin1").load()
    except (pickle.UnpicklingError, EOFError, AttributeError, ImportError, IndexError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is not a pickle of plain data: {error}") from error
