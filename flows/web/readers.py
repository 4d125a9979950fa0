"""The readers of a service, one for each encoder version, renewed when the lake changes."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import TypeVar
from uuid import uuid4

from flows.search.reader import Reader, Uploads, open_reader
from lake.takedowns.takedowns import TABLE as TAKEDOWNS
from lake.takedowns.takedowns import read_blocklist
from schemas.errors import UserError
from schemas.rights import today
from schemas.settings import Settings

REFRESH_SECONDS = 1.0
_TAKEDOWN_SECONDS, _RETRY_SECONDS = 10.0, 0.05
_MAX_READERS = 8  # each holds a text tower in memory
_LOG = logging.getLogger(__name__)
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class CurrentReader:
    """A reader, with its number among all of the service.

    `takedowns` is the version of the list of takedowns that it knows.
    """

    reader: Reader
    number: int
    takedowns: int | None


class Readers:
    """Opens readers, keeps them, and renews them in a thread.

    The old reader answers until the new one is there, except after a takedown: that is seen by the next question.
    Threads may share it.
    """

    def __init__(self, settings: Settings, uploads: Uploads) -> None:
        self._settings, self._uploads = settings, uploads
        self._readers: dict[str | None, CurrentReader] = {}
        self._opening, self._renewing, self._stop = threading.Lock(), threading.Lock(), threading.Event()
        self._process, self._numbers = uuid4().hex[:8], count()
        self._thread = threading.Thread(target=self._renew_always, name="readers", daemon=True)

    def start(self) -> None:
        """Start to renew the readers each second."""
        self._thread.start()

    def stop(self) -> None:
        """Stop to renew."""
        self._stop.set()
        self._thread.join()

    def current(self, embedding_version: str | None = None) -> Reader:
        """Return the reader of an encoder version.

        None stands for the version that is live. Raises UserError as `open_reader` does.
        """
        return self._current(embedding_version).reader

    def ask(self, embedding_version: str | None, question: Callable[[Reader], Result]) -> Result:
        """Return what a question to the current reader gives.

        It is asked again if the reader's files were removed meanwhile. A takedown removes those of one table after the
        other, so it is asked until the takedown is done, for at most 10 s. Raises UserError as `open_reader` and the
        question do.
        """
        deadline = time.monotonic() + _TAKEDOWN_SECONDS
        while True:
            reader = self.current(embedding_version)
            try:
                return question(reader)
            except UserError:
                raise
            except Exception:
                self.renew()
                is_renewed = self.current(embedding_version) is not reader
                if time.monotonic() > deadline or not (is_renewed or _is_takedown_running(reader)):
                    raise
            time.sleep(_RETRY_SECONDS)

    def etag(self, embedding_version: str | None = None) -> str:
        """Return what changes whenever an answer may: with the lake, the day and the process."""
        current = self._current(embedding_version)
        return f'"{current.reader.spec.embedding_version}-{self._process}-{current.number}-{today()}"'

    def renew(self) -> None:
        """Look once whether the lake has changed; renew the readers that it concerns.

        One that cannot be renewed now, as during a takedown, stays as it is until the next look.
        """
        with self._renewing:
            for version, current in list(self._readers.items()):
                try:
                    renewed = self._renewed(current)
                    if renewed is not current and version in self._readers:
                        self._readers[version] = renewed
                except Exception as error:  # a store that fails for a while must not end the thread
                    _LOG.warning("cannot look for changes of the lake: %s", error)

    def _renewed(self, current: CurrentReader) -> CurrentReader:
        takedowns = current.reader.lake.newest_version(TAKEDOWNS)
        renewed = current.reader.refresh()
        renewed.warm_up()  # also at the beginning of a day, whose rights are others
        if renewed is current.reader and takedowns == current.takedowns:
            return current
        return CurrentReader(renewed, next(self._numbers), takedowns)

    def _current(self, embedding_version: str | None) -> CurrentReader:
        current = self._readers.get(embedding_version)
        if current is None:
            return self._open(embedding_version)
        lake = current.reader.lake
        # A look costs tens of microseconds on a disk. In a store it costs what a search does: there, within a second.
        if "://" not in lake.uri and lake.newest_version(TAKEDOWNS) != current.takedowns:
            self.renew()
        return self._readers.get(embedding_version, current)

    def _open(self, embedding_version: str | None) -> CurrentReader:
        with self._opening:
            if embedding_version not in self._readers:
                reader = open_reader(self._settings, embedding_version, uploads=self._uploads)
                if len(self._readers) >= _MAX_READERS:
                    self._readers.pop(next(version for version in self._readers if version is not None))
                self._readers[embedding_version] = CurrentReader(
                    reader, next(self._numbers), reader.lake.newest_version(TAKEDOWNS)
                )
            return self._readers[embedding_version]

    def _renew_always(self) -> None:
        while not self._stop.wait(REFRESH_SECONDS):
            self.renew()


def _is_takedown_running(reader: Reader) -> bool:
    """Tell whether a takedown removes files now, or was killed while it did."""
    return read_blocklist(reader.lake.reopen()).unfinished_run is not None
