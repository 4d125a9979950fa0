"""The readers of a service: one for each encoder version, each renewed when the lake changes."""

import logging
import threading
from dataclasses import dataclass
from uuid import uuid4

from flows.search.reader import Reader, Uploads, open_reader
from schemas.rights import today
from schemas.settings import Settings

REFRESH_SECONDS = 1.0
_MAX_READERS = 8  # each holds a text tower in memory
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CurrentReader:
    """A reader, and how often it was renewed."""

    reader: Reader
    renewals: int


class Readers:
    """Opens readers, keeps them, and renews them in a thread.

    The old reader answers until the new one is there. Threads may share it.
    """

    def __init__(self, settings: Settings, uploads: Uploads) -> None:
        self._settings, self._uploads = settings, uploads
        self._readers: dict[str | None, CurrentReader] = {}
        self._opening, self._stop = threading.Lock(), threading.Event()
        self._process = uuid4().hex[:8]
        self._thread = threading.Thread(target=self._renew_always, name="readers", daemon=True)

    def start(self) -> None:
        """Start to renew the readers each second."""
        self._thread.start()

    def stop(self) -> None:
        """Stop to renew."""
        self._stop.set()
        self._thread.join()

    def current(self, embedding_version: str | None = None) -> Reader:
        """Return the reader of an encoder version; without one, of the version that the lake shows.

        Raises UserError as `open_reader` does.
        """
        return self._current(embedding_version).reader

    def etag(self, embedding_version: str | None = None) -> str:
        """Return what changes whenever an answer may: with the lake, the day and the process."""
        current = self._current(embedding_version)
        return f'"{current.reader.spec.embedding_version}-{self._process}-{current.renewals}-{today()}"'

    def renew(self) -> None:
        """Look once whether the lake has changed; renew the readers that it concerns."""
        for version, current in list(self._readers.items()):
            renewed = current.reader.refresh()
            if renewed is not current.reader:
                self._readers[version] = CurrentReader(renewed, current.renewals + 1)

    def _current(self, embedding_version: str | None) -> CurrentReader:
        if embedding_version not in self._readers:
            with self._opening:
                if embedding_version not in self._readers:
                    reader = open_reader(self._settings, embedding_version, uploads=self._uploads)
                    if len(self._readers) >= _MAX_READERS:
                        self._readers.pop(next(version for version in self._readers if version is not None))
                    self._readers[embedding_version] = CurrentReader(reader, 0)
        return self._readers[embedding_version]

    def _renew_always(self) -> None:
        while not self._stop.wait(REFRESH_SECONDS):
            try:
                self.renew()
            except Exception as error:  # a store that fails for a while must not end the thread
                _LOG.warning("cannot look for changes of the lake: %s", error)
