"""Checks of the gate on interactions: would the version have recommended each listener's last track?"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from flows.console.progress import with_progress
from flows.releases.gate.limits import Limits, check_margin, no_verdict
from flows.releases.gate.snapshot import SnapshotView, common_tracks
from lake.storage.arrow import factorize
from schemas.releases import Check
from workers.evaluation.scoring import compare_values
from workers.metrics.recommend import Histories, leave_last_out, ndcg, recall, target_ranks

NAME = "recommendations"
METRICS = {"recall@10": recall, "nDCG@10": ndcg}
_USERS_PER_BLOCK = 256


@dataclass(frozen=True, slots=True)
class Listeners:
    """Histories over the tracks `track_ids`.

    Somebody played each of these tracks, and both versions embedded it from the same content.
    """

    track_ids: pa.Array
    histories: Histories


def recommendation_checks(
    interactions: pa.Table | None, live: SnapshotView | None, candidate: SnapshotView, limits: Limits
) -> list[Check]:
    """Return a check for each metric over all users, and for each genre and decade.

    Genre and decade are those of a user's last track; those with too few users are left out. `interactions` is a
    table of `lake.sources.interactions.read_interactions`.
    """
    if interactions is None:
        return [no_verdict(NAME, "no interactions; give them with --interactions FILE (user_id, track_id, timestamp)")]
    if live is None:
        return [no_verdict(NAME, "no live release to compare with")]
    listeners = _select_listeners(interactions, live, candidate, limits)
    users, fewest = len(listeners.histories.users), limits.number("recommendations", "fewest")
    if users < max(1, fewest):
        return [no_verdict(NAME, f"{users:,} users played two tracks that both embedded, {fewest:g} are needed")]
    old_ranks, new_ranks = _target_ranks(live, listeners), _target_ranks(candidate, listeners)
    margin = limits.number("recommendations", "margin")
    checks = []
    for metric, measure in METRICS.items():
        old, new = measure(old_ranks), measure(new_ranks)
        figures = (
            f"{new.mean():.3f}, live {old.mean():.3f}, of {users:,} users among {len(listeners.track_ids):,} tracks"
        )
        checks.append(check_margin(f"{NAME}, {metric}", compare_values(old, new), margin, figures))
    old, new = recall(old_ranks), recall(new_ranks)
    for name, rows in _slices(candidate, listeners).items():
        if rows.sum() >= max(1, fewest):
            figures = f"{new[rows].mean():.3f}, live {old[rows].mean():.3f}, of {rows.sum():,} users"
            change = compare_values(old[rows], new[rows])
            title = f"{NAME}, recall@10, {name}"
            checks.append(check_margin(title, change, margin, figures, fail_only_if_certain=True))
    return checks


def _select_listeners(
    interactions: pa.Table, live: SnapshotView, candidate: SnapshotView, limits: Limits
) -> Listeners:
    """Select at most so many users as the limits allow, drawn by the sample's seed."""
    common_ids = common_tracks(live, candidate)["track_id"]
    ids = common_ids.filter(pc.is_in(common_ids, pc.unique(interactions["track_id"]))).combine_chunks()
    interactions = interactions.filter(pc.is_in(interactions["track_id"], ids))
    items = pc.index_in(interactions["track_id"], ids).to_numpy().astype(np.int64)
    users = factorize(interactions["user_id"])
    distinct_users, maximum = np.unique(users), limits.whole_number("recommendations", "users")
    if len(distinct_users) > maximum:
        random = np.random.default_rng(limits.whole_number("sample", "seed"))
        is_drawn = np.isin(users, random.choice(distinct_users, maximum, replace=False))
        users, items = users[is_drawn], items[is_drawn]
    return Listeners(ids, leave_last_out(users, items))


def _target_ranks(view: SnapshotView, listeners: Listeners) -> np.ndarray:
    """Return the rank of each user's last track [U]."""
    rows = view.vectors(listeners.track_ids)
    blocks = listeners.histories.blocks(_USERS_PER_BLOCK)
    count = -(-len(listeners.histories.users) // _USERS_PER_BLOCK)
    blocks = with_progress(blocks, f"recommending by {view.snapshot.encoder}", count)
    return np.concatenate([target_ranks(rows, block) for block in blocks])


def _slices(candidate: SnapshotView, listeners: Listeners) -> dict[str, np.ndarray]:
    """Return bool [U] for each genre and decade of the users' last tracks, by name."""
    targets = pa.array(listeners.histories.targets)
    metadata = candidate.rows(["genres", "year"], listeners.track_ids).take(targets)
    slices: dict[str, np.ndarray] = {}
    for row, genres in enumerate(metadata["genres"].to_pylist()):
        for genre in set(genres or ()):
            slices.setdefault(f"genre {genre}", np.zeros(len(targets), bool))[row] = True
    for row, year in enumerate(metadata["year"].to_pylist()):
        if year:
            slices.setdefault(f"{year // 10 * 10}s", np.zeros(len(targets), bool))[row] = True
    return dict(sorted(slices.items()))
