"""Checks of the gate on the user's own catalogue: neighbours, artists, near-identical vectors, tag rates."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from flows.console.progress import with_progress
from flows.releases.gate.limits import Limits, check_margin, no_verdict
from flows.releases.gate.snapshot import SnapshotView, common_tracks
from lake.storage.arrow import factorize
from schemas.encoders import TaggerSpec
from schemas.releases import Check
from workers.evaluation.scoring import compare_values
from workers.metrics.neighbours import (
    NearestNeighbours,
    find_nearest,
    near_identical,
    occurrences,
    overlap,
    rate_changes,
    same_group_recall,
    skewness,
)

K = 10
OVERLAP, ARTISTS = f"neighbour overlap@{K}", f"same-artist recall@{K}"
TWINS, HUBS, RATES = "near-identical vectors", "hubs", "tag rates"
_QUERIES_PER_BLOCK = 256


@dataclass(frozen=True, slots=True)
class GateSample:
    """N tracks that both versions embedded from the same content.

    `contents` [N] and `artists` [N] are numbers; an unknown artist is -1. `queries` [Q] are rows of the sample.
    """

    track_ids: pa.Array
    contents: np.ndarray
    artists: np.ndarray
    queries: np.ndarray


def catalogue_checks(live: SnapshotView | None, candidate: SnapshotView, limits: Limits) -> list[Check]:
    """Return the checks that need only the two snapshots."""
    sample = _draw_sample(live, candidate, limits)
    if len(sample.track_ids) < 2:
        reason = "both embedded fewer than two tracks from the same content"
        return [no_verdict(name, reason) for name in (OVERLAP, ARTISTS, TWINS, HUBS, RATES)]
    new = _find_neighbours(candidate, sample)
    if live is None:
        reason = "no live release to compare with"
        return [
            _check_twins(None, new, limits),
            *(no_verdict(name, reason) for name in (OVERLAP, ARTISTS, HUBS, RATES)),
        ]
    old = _find_neighbours(live, sample)
    return [
        _check_overlap(old, new, sample, limits),
        _check_artists(old, new, sample, limits),
        _check_twins(old, new, limits),
        _check_hubs(old, new, sample, limits),
        *_check_rates(live, candidate, sample, limits),
    ]


def _draw_sample(live: SnapshotView | None, candidate: SnapshotView, limits: Limits) -> GateSample:
    random = np.random.default_rng(limits.whole_number("sample", "seed"))
    tracks = common_tracks(live, candidate)
    tracks = tracks.take(pa.array(_draw(random, len(tracks), limits.whole_number("sample", "tracks"))))
    ids = tracks["track_id"].combine_chunks()
    artists = candidate.rows(["artist"], ids)["artist"] if len(ids) else pa.chunked_array([[]], pa.string())
    return GateSample(
        track_ids=ids,
        contents=factorize(tracks["content_sha256"]),
        artists=factorize(pc.utf8_lower(pc.utf8_trim_whitespace(artists))),
        queries=_draw(random, len(ids), limits.whole_number("sample", "queries")),
    )


def _draw(random: np.random.Generator, count: int, maximum: int) -> np.ndarray:
    """Draw at most `maximum` of `count` rows, in ascending order."""
    return np.sort(random.choice(count, maximum, replace=False)) if count > maximum else np.arange(count)


def _find_neighbours(view: SnapshotView, sample: GateSample) -> NearestNeighbours:
    rows = view.vectors(sample.track_ids)
    blocks = np.array_split(sample.queries, -(-len(sample.queries) // _QUERIES_PER_BLOCK))
    results = [
        find_nearest(rows, sample.contents, block, K)
        for block in with_progress(blocks, f"neighbours by {view.snapshot.encoder}", len(blocks))
    ]
    return NearestNeighbours(
        lists=np.concatenate([result.lists for result in results]),
        twin_cosines=np.concatenate([result.twin_cosines for result in results]),
    )


def _check_overlap(old: NearestNeighbours, new: NearestNeighbours, sample: GateSample, limits: Limits) -> Check:
    least, tracks = limits.number("neighbours", "least"), len(sample.track_ids)
    chance = new.lists.shape[1] / (tracks - 1)
    if chance >= least:
        return no_verdict(OVERLAP, f"among {tracks:,} tracks chance alone gives {chance:.3f}")
    value = float(overlap(new.lists, old.lists).mean())
    reason = f"{len(sample.queries):,} queries among {tracks:,} tracks; chance gives {chance:.4f}"
    return Check(OVERLAP, value >= least, reason, value, limit=least)


def _check_artists(old: NearestNeighbours, new: NearestNeighbours, sample: GateSample, limits: Limits) -> Check:
    before = same_group_recall(old.lists, sample.queries, sample.artists)
    after = same_group_recall(new.lists, sample.queries, sample.artists)
    known = ~np.isnan(after)
    fewest = limits.number("artists", "fewest")
    if known.sum() < max(1, fewest):
        reason = f"{known.sum():,} sampled tracks have another by their artist, {fewest:g} are needed"
        return no_verdict(ARTISTS, reason)
    before, after = before[known], after[known]
    figures = f"{after.mean():.3f}, live {before.mean():.3f}, of {len(after):,} tracks"
    return check_margin(ARTISTS, compare_values(before, after), limits.number("artists", "margin"), figures)


def _check_twins(old: NearestNeighbours | None, new: NearestNeighbours, limits: Limits) -> Check:
    cosine, more = limits.number("near_identical", "cosine"), limits.number("near_identical", "more")
    value = near_identical(new.twin_cosines, cosine)
    reason = f"{value:.1%} of tracks have a twin of other content nearer than {cosine:g}"
    live_value = 0.0
    if old:
        live_value = near_identical(old.twin_cosines, cosine)
        reason += f", live {live_value:.1%}"
    return Check(TWINS, value <= live_value + more, reason, value, limit=live_value + more)


def _check_hubs(old: NearestNeighbours, new: NearestNeighbours, sample: GateSample, limits: Limits) -> Check:
    """Check that no few tracks stand among everybody's nearest, by the skewness of the occurrences."""
    before, after = (occurrences(view.lists, len(sample.track_ids)) for view in (old, new))
    value, live_value, more = skewness(after), skewness(before), limits.number("hubs", "more")
    reason = f"one track is among the {K} nearest of {after.max():,} of {len(sample.queries):,}; live {live_value:.2f}"
    return Check(HUBS, value <= live_value + more, reason, value, limit=live_value + more)


def _check_rates(live: SnapshotView, candidate: SnapshotView, sample: GateSample, limits: Limits) -> list[Check]:
    old_tagger, tagger = live.spec.tagger, candidate.spec.tagger
    if tagger is None or old_tagger is None or set(tagger.vocabulary) != set(old_tagger.vocabulary):
        return [no_verdict(RATES, "the two versions have different vocabularies")]
    changes = rate_changes(_tag_matrix(live, sample, tagger), _tag_matrix(candidate, sample, tagger))
    worst = int(np.abs(changes).argmax())
    largest, mean = float(abs(changes[worst])), float(np.abs(changes).mean())
    most, most_mean = limits.number("tags", "most"), limits.number("tags", "most_mean")
    reason = f"{tagger.vocabulary[worst]!r} by {changes[worst]:+.1%} of tracks"
    return [
        Check(f"{RATES}, largest change", largest <= most, reason, largest, limit=most),
        Check(f"{RATES}, mean change", mean <= most_mean, f"over {len(changes):,} tags", mean, limit=most_mean),
    ]


def _tag_matrix(view: SnapshotView, sample: GateSample, tagger: TaggerSpec) -> np.ndarray:
    """Return bool [N, C]: which tags of the vocabulary each track carries."""
    column = view.rows(["tag_names"], sample.track_ids)["tag_names"].combine_chunks()
    matrix = np.zeros((len(column), len(tagger.vocabulary)), bool)
    tags = pc.index_in(pc.list_flatten(column), pa.array(tagger.vocabulary))
    known = pc.is_valid(tags)
    rows = pc.list_parent_indices(column).filter(known).to_numpy(zero_copy_only=False)
    matrix[rows, tags.filter(known).to_numpy(zero_copy_only=False)] = True
    return matrix
