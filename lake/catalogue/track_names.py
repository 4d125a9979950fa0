"""What people call a track: by its id, its path or its title."""

import os
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import lance

from lake.storage.filters import in_clause, string_literal
from lake.storage.lake import Lake
from schemas.errors import UserError
from schemas.names import list_first

MIN_PREFIX = 8  # digits; among ten million tracks one such beginning in 400 means two
MAX_SHORTENED = 1000
_IDS_PER_FILTER = 100
_DERIVED_ID = re.compile(r"[0-9a-f]{32}")  # as schemas.tracks.track_id makes them
_PREFIX = re.compile(rf"[0-9a-f]{{{MIN_PREFIX},31}}")


def is_full_id(name: str) -> bool:
    """Tell whether the text is an id that tonelake derived, not one of a manifest."""
    return bool(_DERIVED_ID.fullmatch(name))


def is_beginning(name: str, track_id: str) -> bool:
    """Tell whether a derived id begins with the text, of at least 8 digits.

    Ids of manifests have to be typed in full: many are numbered, and a cut one would mean its neighbour.
    """
    return bool(_PREFIX.fullmatch(name)) and is_full_id(track_id) and track_id.startswith(name)


def only_match(name: str, matches: dict[str, str]) -> str:
    """Return the id of the only match. Raises UserError if there is none, or several: they are listed."""
    if len(matches) == 1:
        return next(iter(matches))
    if not matches:
        raise UserError(
            f"no track is named {name!r}: give an id, its first 8 digits, a path or an exact title; "
            "`tonelake search` prints them"
        )
    listed = list_first([f"{track_id} ({label})" for track_id, label in matches.items()])
    raise UserError(f"{name!r} means {len(matches):,} tracks: {listed}; give the id of one")


def matching_tracks(lake: Lake, name: str, table: lance.LanceDataset | None = None) -> dict[str, str]:
    """Return the tracks that a name may mean: id -> path or title. A track of exactly this id is the only match.

    Ids and titles are those of `table`, an embeddings table; without one, ids are those of the registry, and titles
    do not count.
    """
    if not _is_utf8(name):
        name = Path(name).absolute().as_uri()  # so the registry stores such a path
    registry = lake.table("tracks")
    condition = f"track_id = {string_literal(name)}"
    if _PREFIX.fullmatch(name):
        condition += f" OR {_begins_with(name)}"
    if table is not None:
        condition += f" OR title = {string_literal(name)}"
    searched = registry if table is None else table
    rows = searched.to_table(columns=["track_id", "title"], filter=condition).to_pylist()
    titles = {
        row["track_id"]: row["title"] or "no title"
        for row in rows
        if row["track_id"] == name or row["title"] == name or is_beginning(name, row["track_id"])
    }
    if name in titles:
        return {name: titles[name]}
    at_path = in_clause("uri", {name, os.path.abspath(os.path.expanduser(name))})
    if table is not None:
        at_path += " AND state = 'active'"  # another track may have been there before
    files = registry.to_table(columns=["track_id", "uri"], filter=at_path).to_pylist()
    return titles | {row["track_id"]: row["uri"] for row in files}


def short_ids(lake: Lake, track_ids: Sequence[str]) -> dict[str, str]:
    """Return the shortest beginning of each id that no other id of the lake has.

    It has at least 8 digits. Ids of manifests stay whole, and so do all if there are more than 1,000.
    """
    short = {track_id: track_id for track_id in track_ids}
    derived = sorted(filter(is_full_id, short))
    registry = lake.find_table("tracks")
    if registry is None or len(derived) > MAX_SHORTENED:
        return short
    for start in range(0, len(derived), _IDS_PER_FILTER):
        part = derived[start : start + _IDS_PER_FILTER]
        condition = " OR ".join(_begins_with(prefix) for prefix in {track_id[:MIN_PREFIX] for track_id in part})
        others = registry.to_table(columns=["track_id"], filter=condition)["track_id"].to_pylist()
        short |= zip(part, _shorten(part, others), strict=True)
    return short


def _shorten(track_ids: list[str], others: list[str]) -> Iterator[str]:
    """Yield the beginning of each id that tells it from all the others."""
    ordered = sorted({*track_ids, *others})
    # The id that shares most characters with another one is its neighbour in this order.
    shared = [len(os.path.commonprefix(pair)) for pair in pairwise(ordered)]  # noqa: RUF071
    longest = {name: max(pair) for name, pair in zip(ordered, pairwise([0, *shared, 0]), strict=True)}
    return (track_id[: max(MIN_PREFIX, longest[track_id] + 1)] for track_id in track_ids)


def _is_utf8(name: str) -> bool:
    """Tell whether the text can be stored; a path of other bytes cannot."""
    return not any("\ud800" <= character <= "\udfff" for character in name)


def _begins_with(prefix: str) -> str:
    """Return SQL for the ids with this beginning of hex digits; an index answers it."""
    return f"(track_id >= {string_literal(prefix)} AND track_id < {string_literal(prefix + 'g')})"
