"""What the owner's own catalogue tells of a candidate: neighbours, artists, twins, tag rates."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from flows.console.progress import track
from flows.releases.gate.limits import Limits, judged, not_judged
from flows.releases.gate.snapshot import Version, heard_alike
from lake.storage.arrow import codes
from schemas.encoders import TaggerSpec
from schemas.releases import Check
from workers.evaluation.scoring import compare_values
from workers.metrics.neighbours import near_identical, nearest, overlap, rate_changes, same_group_recall

K = 10
OVERLAP, ARTISTS = f"neighbour overlap@{K}", f"same-artist recall@{K}"
TWINS, RATES = "near-identical vectors", "tag rates"
_QUERIES_AT_ONCE = 256


@dataclass(frozen=True, slots=True)
class Sample:
    """N tracks that both versions heard alike, numbers for their content and artist (-1: unknown), and the queries."""

    track_ids: pa.Array
    contents: np.ndarray
    artists: np.ndarray
    queries: np.ndarray


@dataclass(frozen=True, slots=True)
class Seen:
    """What one version says of the sample: see workers.metrics.neighbours."""

    lists: np.ndarray
    twins: np.ndarray


def catalogue_checks(before: Version | None, after: Version, limits: Limits) -> list[Check]:
    """The lines of the gate's table that need nothing but the two snapshots."""
    sample = _sample(before, after, limits)
    if len(sample.track_ids) < 2:
        return [
            not_judged(name, "no two tracks were heard alike by both") for name in (OVERLAP, ARTISTS, TWINS, RATES)
        ]
    new = _seen(after, sample)
    old = _seen(before, sample) if before else None
    twins = _twins(old, new, limits)
    if before is None or old is None:
        return [twins, *(not_judged(name, "no live release to compare with") for name in (OVERLAP, ARTISTS, RATES))]
    lists = [_overlap(old, new, sample, limits), _artists(old, new, sample, limits)]
    return [*lists, twins, *_rates(before, after, sample, limits)]


def _sample(before: Version | None, after: Version, limits: Limits) -> Sample:
    random = np.random.default_rng(limits.count("sample", "seed"))
    heard = heard_alike(before, after)
    kept = _drawn(random, len(heard), limits.count("sample", "tracks"))
    heard = heard.take(pa.array(kept))
    ids = heard["track_id"].combine_chunks()
    artist = after.rows(["artist"], ids)["artist"] if len(ids) else pa.chunked_array([[]], pa.string())
    queries = _drawn(random, len(ids), limits.count("sample", "queries"))
    return Sample(ids, codes(heard["content_sha256"]), codes(pc.utf8_lower(pc.utf8_trim_whitespace(artist))), queries)


def _drawn(random: np.random.Generator, count: int, most: int) -> np.ndarray:
    """Row numbers in rising order, all of them where there are no more than `most`."""
    return np.sort(random.choice(count, most, replace=False)) if count > most else np.arange(count)


def _seen(version: Version, sample: Sample) -> Seen:
    rows = version.vectors(sample.track_ids)
    blocks = np.array_split(sample.queries, -(-len(sample.queries) // _QUERIES_AT_ONCE))
    found = [
        nearest(rows, sample.contents, block, K)
        for block in track(blocks, f"neighbours by {version.snapshot.encoder}", len(blocks))
    ]
    return Seen(np.concatenate([one.lists for one in found]), np.concatenate([one.twins for one in found]))


def _overlap(old: Seen, new: Seen, sample: Sample, limits: Limits) -> Check:
    least, tracks = limits("neighbours", "least"), len(sample.track_ids)
    chance = new.lists.shape[1] / (tracks - 1)
    if chance >= least:
        return not_judged(OVERLAP, f"among {tracks:,} tracks chance alone gives {chance:.3f}")
    value = float(overlap(new.lists, old.lists).mean())
    told = f"{len(sample.queries):,} queries among {tracks:,} tracks; chance gives {chance:.4f}"
    return Check(OVERLAP, value >= least, told, value, limit=least)


def _artists(old: Seen, new: Seen, sample: Sample, limits: Limits) -> Check:
    before, after = (same_group_recall(one.lists, sample.queries, sample.artists) for one in (old, new))
    known = ~np.isnan(after)
    fewest = limits("artists", "fewest")
    if known.sum() < max(1, fewest):
        return not_judged(
            ARTISTS, f"{known.sum():,} sampled tracks have another by their artist, {fewest:g} are needed"
        )
    before, after = before[known], after[known]
    told = f"{after.mean():.3f}, live {before.mean():.3f}, of {len(after):,} tracks"
    return judged(ARTISTS, compare_values(before, after), limits("artists", "margin"), told)


def _twins(old: Seen | None, new: Seen, limits: Limits) -> Check:
    cosine, more = limits("near_identical", "cosine"), limits("near_identical", "more")
    value = near_identical(new.twins, cosine)
    live = near_identical(old.twins, cosine) if old else 0.0
    beside = f", live {live:.1%}" if old else ""
    told = f"{value:.1%} of tracks have a twin of other content nearer than {cosine:g}{beside}"
    return Check(TWINS, value <= live + more, told, value, limit=live + more)


def _rates(before: Version, after: Version, sample: Sample, limits: Limits) -> list[Check]:
    ours, theirs = after.spec.tagger, before.spec.tagger
    if ours is None or theirs is None or set(ours.vocabulary) != set(theirs.vocabulary):
        return [not_judged(RATES, "the two versions do not tell the same tags")]
    changes = rate_changes(*(_tag_matrix(one, sample, ours) for one in (before, after)))
    worst, mean = int(np.abs(changes).argmax()), float(np.abs(changes).mean())
    most, most_mean = limits("tags", "most"), limits("tags", "most_mean")
    largest, told = float(abs(changes[worst])), f"{ours.vocabulary[worst]!r} by {changes[worst]:+.1%} of tracks"
    return [
        Check(f"{RATES}, largest change", largest <= most, told, largest, limit=most),
        Check(f"{RATES}, mean change", mean <= most_mean, f"over {len(changes):,} tags", mean, limit=most_mean),
    ]


def _tag_matrix(version: Version, sample: Sample, tagger: TaggerSpec) -> np.ndarray:
    """bool [N, C]: which names of the vocabulary each track carries."""
    column = version.rows(["tag_names"], sample.track_ids)["tag_names"].combine_chunks()
    found = np.zeros((len(column), len(tagger.vocabulary)), bool)
    place = pc.index_in(pc.list_flatten(column), pa.array(tagger.vocabulary))
    known = pc.is_valid(place)
    rows = pc.list_parent_indices(column).filter(known).to_numpy(zero_copy_only=False)
    found[rows, place.filter(known).to_numpy(zero_copy_only=False)] = True
    return found
