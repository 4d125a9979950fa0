"""A reader of a lake that stays open, for many queries.

Imports neither Ray nor Prefect.
"""

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import pyarrow as pa

from flows.search.blend import SAMPLE
from flows.search.text_side import TextSide
from flows.search.version import embed_file, resolve_version
from lake.catalogue.rights import unavailable_tracks
from lake.embeddings.filters import Filter, TrackSet
from lake.embeddings.search import read_vector, resolve_filter, sample_vectors
from lake.storage.arrow import string_column
from lake.storage.lake import Lake
from lake.takedowns.takedowns import read_blocklist
from schemas.encoders import EncoderSpec
from schemas.rights import RightsFilter
from schemas.search import QueryPart
from schemas.settings import Settings

_KEPT_CONDITIONS = 64  # each keeps which rows pass: at most 1.3 MB of 10,000,000 in memory, or the ids of tracks


@dataclass(frozen=True)
class Reader:
    """One encoder version of a lake, as it was when it was opened.

    Threads may share it. What a query needs, such as tables and the text tower, is loaded once and kept. `refresh`
    returns a reader of the lake as it is now.
    """

    settings: Settings
    lake: Lake
    spec: EncoderSpec
    text: TextSide
    wanted: tuple[str | None, int | None] = (None, None)  # embedding_version and release, as asked for
    _unavailable: dict[RightsFilter | None, TrackSet] = field(default_factory=dict, repr=False)
    _conditions: dict[tuple[Filter, int], Filter] = field(default_factory=dict, repr=False)

    def embed(self, part: QueryPart) -> np.ndarray:
        """Return the unit vector of a part of a query, float32 [dim]. A track is named by its id.

        Raises UserError if the track or the file cannot be read.
        """
        if part.kind == "text":
            return self.text.embed(part.value)
        if part.kind == "file":
            return np.asarray(embed_file(part.value, self.spec, self.settings).vector, np.float32)
        return read_vector(self.lake, self.spec, part.value)

    @cached_property
    def ordinary_vectors(self) -> np.ndarray:
        """Vectors of ordinary tracks [N, dim]: what a blend compares a track's cosines with."""
        return sample_vectors(self.lake, self.spec, SAMPLE)

    def unavailable(self, rights: RightsFilter | None) -> TrackSet:
        """Return the tracks that lack the rights or were taken down."""
        if rights not in self._unavailable:
            blocked = string_column(sorted(read_blocklist(self.lake).tracks))
            ids = [*unavailable_tracks(self.lake, rights).chunks, *blocked.chunks]
            self._unavailable[rights] = TrackSet(pa.chunked_array(ids, pa.string()))
        return self._unavailable[rights]

    def resolve(self, condition: Filter) -> Filter:
        """Return the same filter for several searches, as `resolve_filter` makes it.

        It is kept, because to find the rows that pass may take longer than a search. Raises UserError if the SQL is
        not valid, or names a column that no track has.
        """
        if not condition.has_conditions():
            return condition
        key = (condition, id(condition.unavailable))
        resolved = self._conditions.get(key)
        if resolved is None:
            resolved = resolve_filter(self.lake, self.spec, condition)
            if len(self._conditions) >= _KEPT_CONDITIONS:
                self._conditions.clear()  # other threads may do so at any time
            self._conditions[key] = resolved
        return resolved

    def refresh(self) -> "Reader":
        """Return a reader of the lake as it is now; itself if nothing has changed.

        Until it returns, this one answers from the tables as they were.
        """
        lake = self.lake.reopen()
        if lake is self.lake:
            return self
        version = resolve_version(self.settings, *self.wanted, replace(lake, pins=()))
        text = self.text if version.spec == self.spec else TextSide(self.settings, version.spec)
        return Reader(self.settings, version.lake, version.spec, text, self.wanted)


def open_reader(settings: Settings, embedding_version: str | None = None, release: int | None = None) -> Reader:
    """Open a lake for queries.

    `resolve_version` says which encoder version is read, and from which release. Raises UserError if there is no lake,
    or if none or several versions match.
    """
    lake = Lake.at(settings.lake, settings.s3).hold()
    version = resolve_version(settings, embedding_version, release, lake)
    text = TextSide(settings, version.spec)
    return Reader(settings, version.lake, version.spec, text, (embedding_version, release))
