"""One file, decoded once for however many encoders listen: its samples at the source's own rate, kept while few."""

from collections.abc import Iterator
from typing import BinaryIO

from workers.audio.decode import Chunk, decode
from workers.audio.verdicts import Notes

KEPT_BYTES = 128 << 20  # six minutes of stereo at 44.1 kHz; what is longer is decoded again for each encoder


class Recording:
    """Chunks of an open file; with `keep` they are remembered from the first listening to the last one."""

    def __init__(self, file: BinaryIO, keep: bool) -> None:
        self.file = file
        self._keep = keep
        self._kept: list[Chunk] | None = None
        self._verdicts: tuple[str, ...] = ()

    def chunks(self, notes: Notes) -> Iterator[Chunk]:
        """As `decode`, with the same verdicts in the notes each time."""
        if self._kept is not None:
            for verdict in self._verdicts:
                notes.add(verdict, "as when it was decoded")
            yield from self._kept
            return
        heard: list[Chunk] = []
        room = KEPT_BYTES if self._keep else 0
        before = set(notes.verdicts)
        for chunk in decode(self.file, notes):
            room -= chunk.samples.nbytes
            if room >= 0:
                heard.append(chunk)
            yield chunk
        if room >= 0:
            self._kept, self._verdicts = heard, tuple(sorted(set(notes.verdicts) - before))
