"""Rights of tracks, read from the registry as it is now, whatever release is read.

There is no copy of them in the embeddings tables. A revoked right counts at once, in every release.
"""

from typing import Any

import lance
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lake.storage.arrow import conform_to
from lake.storage.lake import Lake
from schemas.rights import RIGHTS_COLUMNS, RightsFilter
from schemas.tracks import TRACKS

# A day, a month or a year, perhaps with a time. A text of another form gives no right: it cannot be compared.
_DAY = r"^\d{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01])([T ].*)?)?)?$"
_DAY_CHARACTERS = len("2026-12-24")
_AFTER_DIGITS = "~"  # sorts behind every digit and "-": 2026~ is the end of 2026
_SCHEMA = pa.schema([TRACKS.field(name) for name in ("track_id", *RIGHTS_COLUMNS)])


def unavailable_tracks(lake: Lake, rights: RightsFilter | None) -> pa.ChunkedArray:
    """Return the ids of tracks that are not available on a day in a territory.

    The registry is read as it is now. None stands for any day and territory: no track is left out.
    """
    if rights is None:
        return pa.chunked_array([], pa.string())
    rows = _restricted_rows(lake.table("tracks"))
    return rows["track_id"].filter(pa.array(~is_available(rows, rights)))


def count_unavailable(lake: Lake, rights: RightsFilter) -> int:
    """Return the number of active tracks that are not available."""
    rows = _restricted_rows(lake.table("tracks"), "state = 'active'")
    return int(np.sum(~is_available(rows, rights)))


def is_available(rows: pa.Table, rights: RightsFilter) -> np.ndarray:
    """Tell for each row of the registry whether the track may be played: bool [N].

    A right that the registry does not name has no limit. The last day counts in full, and `2026` ends after its last
    day.
    """
    available = np.ones(len(rows), bool)
    if rights.on is not None:
        start, end = (pc.fill_null(rows[name], "") for name in ("available_from", "available_to"))
        has_begun = pc.less_equal(pc.utf8_slice_codeunits(start, 0, _DAY_CHARACTERS), rights.on)
        last = pc.utf8_slice_codeunits(end, 0, _DAY_CHARACTERS)
        has_not_ended = pc.greater_equal(pc.binary_join_element_wise(last, _AFTER_DIGITS, ""), rights.on)
        available &= _or_unlimited(start, has_begun) & _or_unlimited(end, has_not_ended)
    if rights.territory is not None:
        territories = rows["territories"].combine_chunks()
        is_open = pc.fill_null(pc.equal(pc.list_value_length(territories), 0), True).to_numpy(zero_copy_only=False)
        is_named = pc.equal(pc.list_flatten(territories), rights.territory)
        is_open = is_open.copy()
        is_open[pc.list_parent_indices(territories).filter(is_named).to_numpy()] = True
        available &= is_open
    return available


def describe_rights(row: dict[str, Any]) -> str:
    """Return rights in words, such as "from 2020-01-01 to ever, in DE, FR"."""
    territories = f", in {', '.join(row['territories'])}" if row.get("territories") else ""
    return f"from {row['available_from'] or 'ever'} to {row['available_to'] or 'ever'}{territories}"


def _or_unlimited(texts: pa.ChunkedArray, holds: pa.ChunkedArray) -> np.ndarray:
    """Tell which texts set no limit, or are a day whose limit holds: bool [N]."""
    is_day = pc.match_substring_regex(texts, _DAY)
    allowed: np.ndarray = pc.or_(pc.equal(texts, ""), pc.and_(is_day, holds)).to_numpy()
    return allowed


def _restricted_rows(registry: lance.LanceDataset, where: str | None = None) -> pa.Table:
    """Return the ids and rights of the tracks that have any."""
    known = [name for name in RIGHTS_COLUMNS if name in registry.schema.names]  # an earlier tonelake knew fewer
    condition = " OR ".join(f"{name} IS NOT NULL" for name in known)
    rows = registry.to_table(
        columns=["track_id", *known], filter=f"({where}) AND ({condition})" if where else condition
    )
    return conform_to(rows, _SCHEMA)
