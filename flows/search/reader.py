"""A reader of a lake that stays open, for many queries.

Imports neither Ray nor Prefect.
"""

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import pyarrow as pa

from flows.search.version import embed_file, resolve_version, text_tower
from lake.catalogue.rights import unavailable_tracks
from lake.embeddings.search import read_vector
from lake.storage.arrow import string_column
from lake.storage.lake import Lake
from lake.takedowns.takedowns import read_blocklist
from schemas.encoders import EncoderSpec
from schemas.rights import RightsFilter
from schemas.search import QueryPart
from schemas.settings import Settings
from workers.encoders.base.interface import TextTower


@dataclass(frozen=True)
class Reader:
    """One encoder version of a lake, as it was when it was opened.

    Threads may share it. What a query needs, such as tables and the text tower, is loaded once and kept. `refresh`
    returns a reader of the lake as it is now.
    """

    settings: Settings
    lake: Lake
    spec: EncoderSpec
    wanted: tuple[str | None, int | None] = (None, None)  # embedding_version and release, as asked for
    _unavailable: dict[RightsFilter | None, pa.ChunkedArray] = field(default_factory=dict, repr=False)

    @cached_property
    def tower(self) -> TextTower:
        """The text tower. Raises UserError if the encoder has none."""
        return text_tower(self.spec, self.settings)

    def embed(self, part: QueryPart) -> np.ndarray:
        """Return the unit vector of a part of a query, float32 [dim]. A track is named by its id.

        Raises UserError if the track or the file cannot be read.
        """
        if part.kind == "text":
            return self.tower.embed_text([part.value])[0]
        if part.kind == "file":
            return np.asarray(embed_file(part.value, self.spec, self.settings).vector, np.float32)
        return read_vector(self.lake, self.spec, part.value)

    def unavailable(self, rights: RightsFilter | None) -> pa.ChunkedArray:
        """Return the ids of the tracks that may not be found.

        They lack the rights, or they were taken down.
        """
        if rights not in self._unavailable:
            blocked = string_column(sorted(read_blocklist(self.lake).tracks))
            self._unavailable[rights] = pa.chunked_array(
                [*unavailable_tracks(self.lake, rights).chunks, *blocked.chunks], pa.string()
            )
        return self._unavailable[rights]

    def refresh(self) -> "Reader":
        """Return a reader of the lake as it is now; itself if nothing has changed.

        Until it returns, this one answers from the tables as they were.
        """
        lake = self.lake.reopen()
        if lake is self.lake:
            return self
        version = resolve_version(self.settings, *self.wanted, replace(lake, pins=()))
        renewed = Reader(self.settings, version.lake, version.spec, self.wanted)
        if version.spec == self.spec and "tower" in self.__dict__:
            renewed.__dict__["tower"] = self.tower
        return renewed


def open_reader(settings: Settings, embedding_version: str | None = None, release: int | None = None) -> Reader:
    """Open a lake for queries.

    `resolve_version` says which encoder version is read, and from which release. Raises UserError if there is no lake,
    or if none or several versions match.
    """
    lake = Lake.at(settings.lake, settings.s3).hold()
    version = resolve_version(settings, embedding_version, release, lake)
    return Reader(settings, version.lake, version.spec, (embedding_version, release))
