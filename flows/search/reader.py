"""A reader of a lake that stays open, for many queries.

Imports neither Ray nor Prefect.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import pyarrow as pa

from flows.search.blend import SAMPLE
from flows.search.bounded_cache import find_or_make
from flows.search.text_side import TextSide
from flows.search.version import embed_file, resolve_version
from lake.catalogue.rights import unavailable_tracks
from lake.embeddings.filters import Filter, TrackSet
from lake.embeddings.search import find_passing, read_vector, sample_vectors
from lake.storage.arrow import string_column
from lake.storage.lake import Lake
from lake.takedowns.takedowns import read_blocklist
from schemas.encoders import EncoderSpec
from schemas.errors import UserError
from schemas.rights import RightsFilter, today
from schemas.search import QueryPart
from schemas.settings import Settings
from schemas.tables import embeddings_table

Uploads = Mapping[tuple[str, str], np.ndarray]  # (embedding_version, upload) -> unit vector, float32 [dim]
# Of conditions, rights and selections: each keeps which rows pass, at most 1.3 MB of 10,000,000, or the ids of tracks.
_KEPT = 64
_KEPT_IDS = 2_000_000  # of all selections together


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
    release: int | None = None  # its number, if it is one that is read
    uploads: Uploads | None = None  # of a service: it opens no file, because others would choose its path
    _unavailable: dict[RightsFilter | None, TrackSet] = field(default_factory=dict, repr=False)
    _selections: dict[tuple[str, ...], TrackSet] = field(default_factory=dict, repr=False)
    _conditions: dict[tuple[Filter, int, int], Filter] = field(default_factory=dict, repr=False)

    def embed(self, part: QueryPart) -> np.ndarray:
        """Return the unit vector of a part of a query, float32 [dim]. A track is named by its id.

        Raises UserError if the track or the file cannot be read, or if the upload is not known.
        """
        if part.kind == "text":
            return self.text.embed(part.value)
        if part.kind == "upload":
            vector = (self.uploads or {}).get((self.spec.embedding_version, part.value))
            if vector is None:
                raise UserError(f"there is no upload {part.value!r}: uploads are kept for a while only; send it again")
            return vector
        if part.kind == "file":
            return np.asarray(embed_file(part.value, self.spec, self.settings).vector, np.float32)
        return read_vector(self.lake, self.spec, part.value)

    @cached_property
    def ordinary_vectors(self) -> np.ndarray:
        """Vectors of ordinary tracks [N, dim]: what a blend compares a track's cosines with."""
        return sample_vectors(self.lake, self.spec, SAMPLE)

    def track_set(self, track_ids: tuple[str, ...]) -> TrackSet:
        """Return a set of tracks. It is kept for a while, so that their rows are looked up once."""
        kept = self._selections.get(track_ids)
        if kept is None:
            lengths = [len(selection) for selection in list(self._selections)]
            if len(lengths) >= _KEPT or sum(lengths) + len(track_ids) > _KEPT_IDS:
                self._selections.clear()
                self._conditions.clear()  # their filters keep such sets too
            kept = self._selections[track_ids] = TrackSet(string_column(track_ids))
        return kept

    def unavailable(self, rights: RightsFilter | None) -> TrackSet:
        """Return the tracks that lack the rights or were taken down."""
        return find_or_make(self._unavailable, rights, lambda: self._read_unavailable(rights), _KEPT)

    def _read_unavailable(self, rights: RightsFilter | None) -> TrackSet:
        blocked = string_column(sorted(read_blocklist(self.lake).tracks))
        ids = [*unavailable_tracks(self.lake, rights).chunks, *blocked.chunks]
        return TrackSet(pa.chunked_array(ids, pa.string()))

    def resolve(self, condition: Filter) -> Filter:
        """Return the same filter for several searches, as `find_passing` makes it.

        It is kept, because to find the rows that pass may take longer than a search. Raises UserError if the SQL is
        not valid, or names a column that no track has.
        """
        if not condition.has_conditions():
            return condition
        # The sets of tracks are no part of a filter's value. The filter in the key keeps them, so that their ids stay.
        key = (condition, id(condition.unavailable), id(condition.only))
        return find_or_make(self._conditions, key, lambda: find_passing(self.lake, self.spec, condition), _KEPT)

    def warm_up(self) -> None:
        """Look up the rows of today's unavailable tracks, so that no query waits for it."""
        self.unavailable(RightsFilter(today())).addresses(self.lake.table(embeddings_table(self.spec)))

    def refresh(self) -> "Reader":
        """Return a reader of the lake as it is now; itself if nothing has changed.

        Until it returns, this one answers from the tables as they were.
        """
        lake = self.lake.reopen()
        if lake is self.lake:
            return self
        version = resolve_version(self.settings, *self.wanted, replace(lake, pins=()))
        text = self.text if version.spec == self.spec else TextSide(self.settings, version.spec)
        return Reader(self.settings, version.lake, version.spec, text, self.wanted, version.release, self.uploads)


def open_reader(
    settings: Settings,
    embedding_version: str | None = None,
    release: int | None = None,
    uploads: Uploads | None = None,
) -> Reader:
    """Open a lake for queries.

    `resolve_version` says which encoder version is read, and from which release. With `uploads`, queries name these
    in the place of audio files. Raises UserError if there is no lake, or if none or several versions match.
    """
    lake = Lake.at(settings.lake, settings.s3).hold()
    version = resolve_version(settings, embedding_version, release, lake)
    text = TextSide(settings, version.spec)
    wanted = (embedding_version, release)
    return Reader(settings, version.lake, version.spec, text, wanted, version.release, uploads)
