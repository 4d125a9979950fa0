"""Selections: tracks that a person chose, under a short id for later questions."""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Sequence

from schemas.errors import NotFound

PREFIX = "selection:"
MAX_WITHIN = 200_000  # tracks of one selection
MAX_ID = 500  # characters of a track's id
_MAX_TRACKS = 2_000_000  # of all selections together; the oldest are forgotten


class Selections:
    """Keeps selections in memory. Threads may share it."""

    def __init__(self) -> None:
        self._selections: OrderedDict[str, tuple[str, ...]] = OrderedDict()
        self._lock = threading.Lock()

    def add(self, track_ids: Sequence[str]) -> str:
        """Keep a selection and return its id, which is the same for the same tracks."""
        name = hashlib.sha256("\n".join(track_ids).encode("utf-8", "surrogatepass")).hexdigest()[:16]
        with self._lock:
            self._selections[name] = tuple(track_ids)
            self._selections.move_to_end(name)
            while len(self._selections) > 1 and sum(map(len, self._selections.values())) > _MAX_TRACKS:
                self._selections.popitem(last=False)
        return name

    def find(self, name: str) -> tuple[str, ...]:
        """Return the ids of a selection's tracks. Raises NotFound if it is not kept any more."""
        with self._lock:
            if name not in self._selections:
                raise NotFound(f"there is no selection {name!r}: they are kept for a while only; select again")
            return self._selections[name]
