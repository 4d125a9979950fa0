"""One file that several encoders decode: its samples stay in memory while they are few."""

from collections.abc import Iterator
from typing import BinaryIO

from workers.audio.decode import Chunk, decode
from workers.audio.verdicts import AudioInspector

KEPT_BYTES = 128 << 20  # six minutes of stereo at 44.1 kHz; a longer file is decoded again for each encoder


class Recording:
    """The decoded chunks of an open file. With `keep` the first pass over them keeps them for later ones."""

    def __init__(self, file: BinaryIO, keep: bool) -> None:
        self.file = file
        self._keep = keep
        self._kept: list[Chunk] | None = None
        self._verdicts: tuple[str, ...] = ()

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
        for chunk in decode(self.file, inspector):
            free_bytes -= chunk.samples.nbytes
            if free_bytes >= 0:
                kept.append(chunk)
            yield chunk
        if free_bytes >= 0:
            self._kept, self._verdicts = kept, tuple(sorted(set(inspector.verdicts) - before))
