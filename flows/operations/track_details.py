"""Everything that a lake knows of one track.

That is its hit, its state, its file's history, and its copies.
"""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa

from flows.operations.why import TrackReport, explain_track
from flows.search.copies import COLUMNS, find_originals
from flows.search.reader import Reader
from flows.search.track_rows import read_hits, read_rows
from lake.catalogue.audio_facts import read_facts
from lake.embeddings.filters import Filter
from lake.embeddings.search import nearest_rows, read_vector
from lake.storage.filters import select_in
from lake.takedowns.takedowns import read_blocklist
from schemas.errors import NotFound
from schemas.search import SearchHit
from schemas.settings import Settings
from schemas.tables import embeddings_table

_COMPARED = 20  # nearest tracks, among which copies are


@dataclass(frozen=True, slots=True)
class FileHistory:
    """What the lake knows of a track's file.

    `source_version` is the file's version as its source lists it now, `embedded_version` and `run_id` are those of the
    row that search finds. `facts` are those of its content: codec, sample rate, peak ...
    """

    source: str
    uri: str
    state: str
    size: int | None
    source_version: str | None
    added_at: datetime | None
    last_seen: datetime | None
    content_sha256: str | None
    embedded_version: str | None
    run_id: str | None
    verdicts: tuple[str, ...]
    facts: dict[str, Any]
    earlier_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TrackDetails:
    """A track. `hit` is None if the release has no row of it; `copies` are other encodes of the same recording."""

    track_id: str
    hit: SearchHit | None
    report: TrackReport
    file: FileHistory
    copies: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the fields as a JSON object."""
        return asdict(self) | {"hit": self.hit.to_json() if self.hit else None}


def read_track(reader: Reader, track_id: str, settings: Settings) -> TrackDetails:
    """Return what is known of a track, by its whole id. Raises NotFound if the lake has none or it was taken down."""
    registered = select_in(reader.lake.table("tracks"), "track_id", [track_id]).to_pylist()
    if not registered or track_id in read_blocklist(reader.lake).tracks:
        raise NotFound(f"there is no track {track_id!r}; `tonelake why` says more")
    stored = _stored_row(reader, track_id)
    hit = read_hits(reader, [track_id])[0] if stored else None
    file = _file_history(reader, registered[0], stored or {})
    copies = tuple(_find_copies(reader, track_id)) if stored else ()
    return TrackDetails(track_id, hit, explain_track(track_id, settings), file, copies)


def is_searchable(reader: Reader, track_id: str) -> bool:
    """Tell whether what the reader reads has the track, and it was not taken down."""
    return _stored_row(reader, track_id) is not None and track_id not in read_blocklist(reader.lake).tracks


def _stored_row(reader: Reader, track_id: str) -> dict[str, Any] | None:
    table = reader.lake.table(embeddings_table(reader.spec))
    columns = ["track_id", "source_version", "content_sha256", "verdicts", "run_id"]
    rows: list[dict[str, Any]] = select_in(table, "track_id", [track_id], columns).to_pylist()
    return rows[0] if rows else None


def _file_history(reader: Reader, registered: dict[str, Any], stored: dict[str, Any]) -> FileHistory:
    content = stored.get("content_sha256")
    aliases = reader.lake.find_table("track_aliases")
    kept = (
        pa.table({"path_id": pa.array([], pa.string())})
        if aliases is None
        else select_in(aliases, "track_id", [registered["track_id"]], ["path_id"])
    )
    names = ("source", "uri", "state", "size", "source_version", "added_at", "last_seen")
    return FileHistory(
        **{name: registered[name] for name in names},
        content_sha256=content,
        embedded_version=stored.get("source_version"),
        run_id=stored.get("run_id"),
        verdicts=tuple(stored.get("verdicts") or ()),
        facts=read_facts(reader.lake, content) if content else {},
        earlier_ids=tuple(kept["path_id"].to_pylist()),
    )


def _find_copies(reader: Reader, track_id: str) -> list[str]:
    """Return the ids of other encodes of the track's recording, among the nearest tracks."""
    vector = read_vector(reader.lake, reader.spec, track_id)
    condition = Filter(unavailable=reader.unavailable(None))  # those that were taken down
    near = nearest_rows(reader.lake, reader.spec, vector, _COMPARED, ["track_id"], condition)["track_id"].to_pylist()
    track_ids = [track_id, *(name for name in near if name != track_id)]
    originals = find_originals(reader.lake, read_rows(reader, track_ids, COLUMNS))
    return [track_ids[index] for index in np.flatnonzero(originals == 0) if index]
