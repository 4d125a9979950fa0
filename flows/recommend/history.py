"""A file of plays, and which of its tracks a lake holds."""

from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from flows.search.version import ReadVersion
from lake.catalogue.track_names import MAX_SHORTENED, is_full_id, matching_tracks, only_match
from lake.sources.interactions import read_interactions
from lake.storage.arrow import is_in, with_column
from lake.storage.filters import select_in
from lake.storage.lake import Lake
from schemas.errors import UserError
from schemas.tables import embeddings_table

_EXAMPLES = 3  # missing tracks that are named


@dataclass(frozen=True, slots=True)
class MatchedHistory:
    """The plays of tracks that the lake holds.

    `plays` has user_id and track_id in order of time. `tracks` counts the distinct tracks of the file, `matched` those
    in the lake; `missing_examples` are a few others.
    """

    plays: pa.Table
    tracks: int
    matched: int
    missing_examples: tuple[str, ...]

    @classmethod
    def match(cls, plays: pa.Table, track_ids: pa.ChunkedArray) -> "MatchedHistory":
        """Keep the plays whose track is in `track_ids`, and count the others."""
        is_known = is_in(plays["track_id"], track_ids)
        tracks = len(pc.unique(plays["track_id"]))
        missing = pc.unique(plays["track_id"].filter(pc.invert(is_known)))
        examples = tuple(missing[:_EXAMPLES].to_pylist())
        return cls(plays.filter(is_known), tracks, tracks - len(missing), examples)

    def to_json(self) -> dict[str, Any]:
        """Return the counts as a JSON object."""
        return {
            "tracks": self.tracks,
            "held": self.matched,
            "not_held": self.tracks - self.matched,
            "for_example": list(self.missing_examples),
        }


def read_history(file: str) -> pa.Table:
    """Read the plays of one or many listeners. Raises UserError if the file cannot be read or has no tracks."""
    plays = read_interactions(file, require_user_id=False)
    if not len(plays):
        raise UserError(f"{file} names no track; give track_id, and perhaps user_id and timestamp")
    return plays


def with_track_ids(plays: pa.Table, file: str, reader: ReadVersion) -> pa.Table:
    """Return the plays with track_ids in the place of other names of tracks.

    Only a .txt, which people write by hand, has those: beginnings of ids, paths and titles. What names no track is
    left as it is. Raises UserError if something means several tracks.
    """
    if not file.endswith(".txt"):
        return plays
    table = reader.lake.table(embeddings_table(reader.spec))
    names = pc.unique(plays["track_id"]).to_pylist()
    known = set(select_in(table, "track_id", names, ["track_id"])["track_id"].to_pylist())
    track_ids = {name: name for name in names}
    for name in [name for name in names if name not in known and not is_full_id(name)][:MAX_SHORTENED]:
        if matches := matching_tracks(reader.lake, name, table):
            track_ids[name] = only_match(name, matches)
    return with_column(plays, "track_id", pa.array([track_ids[name] for name in plays["track_id"].to_pylist()]))


def nothing_matched(file: str, lake: Lake) -> UserError:
    """Return the error for a history of which the lake holds no track."""
    return UserError(f"{lake.uri} holds no track of {file}: are its track_ids those that `tonelake search` prints?")
