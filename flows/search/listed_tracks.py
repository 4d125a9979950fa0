"""The tracks that a list of names means, of those that may be played."""

from collections.abc import Sequence

import numpy as np

from flows.search.copies import COLUMNS, find_originals
from flows.search.filters import ParsedFilters
from flows.search.reader import Reader
from flows.search.track_rows import read_rows
from lake.catalogue.track_names import MAX_SHORTENED, only_match
from lake.embeddings.search import find_tracks, nearest_rows
from lake.storage.filters import in_clause, select_in
from schemas.errors import UserError
from schemas.search import SearchFilters
from schemas.tables import embeddings_table

_EXAMPLES = 3


def find_listed(reader: Reader, names: Sequence[str], filters: SearchFilters) -> tuple[list[str], tuple[str, ...]]:
    """Return the ids of the named tracks that pass the filters, and remarks.

    The ids are in order, each recording once. The remarks say what was left out. Raises UserError if a name means
    several tracks, or if no track is left.
    """
    known = _track_ids(reader, names)
    missing = [name for name in names if name not in known]
    if not known:
        raise UserError(f"none of the {len(names):,} tracks of the list is in the lake, such as {names[0]}")
    track_ids = list(dict.fromkeys(known[name] for name in names if name in known))
    condition = ParsedFilters.parse(filters).make_filter(reader).narrow(in_clause("track_id", track_ids))
    passing = nearest_rows(reader.lake, reader.spec, None, len(track_ids), ["track_id"], condition)
    allowed = set(passing["track_id"].to_pylist())
    refused = [track_id for track_id in track_ids if track_id not in allowed]
    track_ids = [track_id for track_id in track_ids if track_id in allowed]
    originals = find_originals(reader.lake, read_rows(reader, track_ids, COLUMNS))
    is_copy = originals != np.arange(len(originals))
    copies = [track_id for track_id, copied in zip(track_ids, is_copy, strict=True) if copied]
    track_ids = [track_id for track_id, copied in zip(track_ids, is_copy, strict=True) if not copied]
    left_out = {
        "are not in the lake": missing,
        "are left out by a filter, or may not be played today (--any-date)": refused,
        "are left out: they are other encodes of a track of the list": copies,
    }
    remarks = [_remark(examples, len(names), reason) for reason, examples in left_out.items() if examples]
    if not track_ids:
        raise UserError(f"no track of the list is left: {'; '.join(remarks)}")
    return track_ids, tuple(remarks)


def _remark(examples: Sequence[str], count: int, reason: str) -> str:
    more = ", ..." if len(examples) > _EXAMPLES else ""
    return f"{len(examples):,} of {count:,} tracks {reason}: {', '.join(examples[:_EXAMPLES])}{more}"


def _track_ids(reader: Reader, names: Sequence[str]) -> dict[str, str]:
    """Return the id of each name that means a track.

    A name is an id, its beginning, a path or a title.
    """
    table, distinct = reader.lake.table(embeddings_table(reader.spec)), list(dict.fromkeys(names))
    registry = reader.lake.table("tracks")
    at_paths = select_in(registry, "uri", distinct, ["track_id", "uri"], "state = 'active'").to_pylist()
    paths = {row["track_id"]: row["uri"] for row in sorted(at_paths, key=lambda row: row["track_id"], reverse=True)}
    embedded = select_in(table, "track_id", [*distinct, *paths], ["track_id"])["track_id"].to_pylist()
    known = {paths[track_id]: track_id for track_id in paths if track_id in set(embedded)}
    known |= {track_id: track_id for track_id in embedded if track_id in set(distinct)}
    for name in [name for name in distinct if name not in known][:MAX_SHORTENED]:
        matches = find_tracks(reader.lake, reader.spec, name)
        if matches and name not in matches:  # a whole id matches itself, embedded or not
            known[name] = only_match(name, matches)
    return known
