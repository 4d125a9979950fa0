"""What the owner's own listeners tell of a candidate: would their last track have been recommended?"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from flows.console.progress import track
from flows.releases.gate.limits import Limits, judged, not_judged
from flows.releases.gate.snapshot import Version, heard_alike
from lake.storage.arrow import codes
from schemas.releases import Check
from workers.evaluation.scoring import compare_values
from workers.metrics.recommend import Histories, last_out, ndcg, recall, target_ranks

NAME = "recommendations"
METRICS = {"recall@10": recall, "nDCG@10": ndcg}
_USERS_AT_ONCE = 256


@dataclass(frozen=True, slots=True)
class Listeners:
    """Histories over the tracks `track_ids` that somebody played and both versions heard alike."""

    track_ids: pa.Array
    histories: Histories


def recommendation_checks(
    played: pa.Table | None, before: Version | None, after: Version, limits: Limits
) -> list[Check]:
    """A line a metric over all users, and one for each genre and decade of the last track with enough of them.

    `played` is what `lake.sources.interactions.read_interactions` gave.
    """
    if played is None:
        return [not_judged(NAME, "no interactions; give them with --interactions FILE (user_id, track_id, timestamp)")]
    if before is None:
        return [not_judged(NAME, "no live release to compare with")]
    listeners = _listeners(played, before, after, limits)
    users, fewest = len(listeners.histories.users), limits("recommendations", "fewest")
    if users < max(1, fewest):
        return [not_judged(NAME, f"{users:,} users played two tracks that both versions heard, {fewest:g} are needed")]
    old, new = (_ranks(one, listeners) for one in (before, after))
    margin = limits("recommendations", "margin")
    checks = []
    for metric, measure in METRICS.items():
        was, now = measure(old), measure(new)
        told = f"{now.mean():.3f}, live {was.mean():.3f}, of {users:,} users among {len(listeners.track_ids):,} tracks"
        checks.append(judged(f"{NAME}, {metric}", compare_values(was, now), margin, told))
    was, now = recall(old), recall(new)
    for name, rows in _slices(after, listeners).items():
        if rows.sum() >= max(1, fewest):
            told = f"{now[rows].mean():.3f}, live {was[rows].mean():.3f}, of {rows.sum():,} users"
            change = compare_values(was[rows], now[rows])
            checks.append(judged(f"{NAME}, recall@10, {name}", change, margin, told, surely=True))
    return checks


def _listeners(played: pa.Table, before: Version, after: Version, limits: Limits) -> Listeners:
    """Of at most so many users, drawn by the sample's seed."""
    heard = heard_alike(before, after)["track_id"]
    ids = heard.filter(pc.is_in(heard, pc.unique(played["track_id"]))).combine_chunks()
    played = played.filter(pc.is_in(played["track_id"], ids))
    items = pc.index_in(played["track_id"], ids).to_numpy().astype(np.int64)
    users = codes(played["user_id"])
    there, most = np.unique(users), limits.count("recommendations", "users")
    if len(there) > most:
        random = np.random.default_rng(limits.count("sample", "seed"))
        chosen = np.isin(users, random.choice(there, most, replace=False))
        users, items = users[chosen], items[chosen]
    return Listeners(ids, last_out(users, items))


def _ranks(version: Version, listeners: Listeners) -> np.ndarray:
    rows = version.vectors(listeners.track_ids)
    blocks = listeners.histories.blocks(_USERS_AT_ONCE)
    count = -(-len(listeners.histories.users) // _USERS_AT_ONCE)
    told = track(blocks, f"recommending by {version.snapshot.encoder}", count)
    return np.concatenate([target_ranks(rows, block) for block in told])


def _slices(after: Version, listeners: Listeners) -> dict[str, np.ndarray]:
    """bool [U] for each genre and decade that is known of the users' last tracks, by name."""
    targets = pa.array(listeners.histories.targets)
    about = after.rows(["genres", "year"], listeners.track_ids).take(targets)
    found: dict[str, np.ndarray] = {}
    for row, genres in enumerate(about["genres"].to_pylist()):
        for genre in set(genres or ()):
            found.setdefault(f"genre {genre}", np.zeros(len(targets), bool))[row] = True
    for row, year in enumerate(about["year"].to_pylist()):
        if year:
            found.setdefault(f"{year // 10 * 10}s", np.zeros(len(targets), bool))[row] = True
    return dict(sorted(found.items()))
