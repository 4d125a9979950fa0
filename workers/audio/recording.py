"""One file that several encoders decode: its samples stay in memory while they are few."""

import logging
from collections.abc import Iterator
from typing import BinaryIO

from schemas.audio import ACCEPTABLE
from schemas.descriptions import Description
from workers.audio.decode import Chunk, decode
from workers.audio.verdicts import AudioInspector

log = logging.getLogger(__name__)

KEPT_BYTES = 128 << 20  # six minutes of stereo at 44.1 kHz; a longer file is decoded again for each encoder


class Recording:
    """The decoded chunks of an open file. With `keep` the first pass over them keeps them for later ones.

    With `describe` the first whole pass also describes the audio.
    """

    def __init__(self, file: BinaryIO, keep: bool, *, describe: bool = False) -> None:
        self.file = file
        self._keep = keep
        self._kept: list[Chunk] | None = None
        self._verdicts: tuple[str, ...] = ()
        self._describe = describe
        self._description: Description | None = None

    def description(self) -> Description | None:
        """Return the description; decode the file if no pass has been over all of it. None unless `describe`."""
        if self._describe and self._description is None:
            for _ in self.chunks(AudioInspector(ACCEPTABLE)):
                pass
        return self._description

    def chunks(self, inspector: AudioInspector) -> Iterator[Chunk]:
        """Yield the chunks as `decode` does; every pass adds the same verdicts to its inspector."""
        if self._kept is not None:
            for verdict in self._verdicts:
                inspector.add(verdict, "as when it was decoded")
            yield from self._kept
            return
        kept: list[Chunk] = []
        free_bytes = KEPT_BYTES if self._keep else 0
        before = set(inspector.verdicts)
        for chunk in self._described(decode(self.file, inspector)):
            free_bytes -= chunk.samples.nbytes
            if free_bytes >= 0:
                kept.append(chunk)
            yield chunk
        if free_bytes >= 0:
            self._kept, self._verdicts = kept, tuple(sorted(set(inspector.verdicts) - before))

    def _described(self, chunks: Iterator[Chunk]) -> Iterator[Chunk]:
        """Yield the chunks, and describe them on the way.

        A fault of the describer must not keep a track from being embedded: it is logged, and the track has no
        description.
        """
        from workers.description.describer import Describer  # here: it takes a second, and a driver decodes nothing

        describer = Describer() if self._describe and self._description is None else None
        for chunk in chunks:
            try:
                if describer:
                    describer.add(chunk.samples, chunk.rate)
            except Exception:
                log.warning("a file cannot be described", exc_info=True)
                self._describe, describer = False, None
            yield chunk
        if describer:
            self._description = describer.finish()
