"""Pairs of files whose vectors are near, confirmed or refuted by their audio fingerprints."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from flows.console.progress import ProgressReporter, with_progress
from lake.catalogue.audio_facts import read_fingerprints, write_fingerprints
from lake.catalogue.runs import new_run_id
from lake.storage.lake import Lake
from lake.storage.lease import Lease, LeaseName
from lake.storage.vectors import to_matrix
from schemas.audio import MAX_BIT_ERROR_RATE
from schemas.settings import Settings

if TYPE_CHECKING:
    from workers.audio.fingerprint import FingerprintResult

MAX_LOCAL_FILES = 8  # that this process fingerprints itself; more files go to Ray
PAIRS_AT_ONCE = 256  # whose fingerprints are in memory: at most 100 kB each


@dataclass(frozen=True, slots=True)
class Pair:
    """Two contents, by SHA-256, whose vectors are near.

    `reason` says why their audio was not compared; it is empty if it was.
    """

    left: str
    right: str
    cosine: float
    bit_error_rate: float = 1.0
    reason: str = ""

    @property
    def is_confirmed(self) -> bool:
        """Whether the audio was compared and is the same recording."""
        return not self.reason and self.bit_error_rate <= MAX_BIT_ERROR_RATE


def compare_near_contents(
    lake: Lake, tracks: pa.Table, cosine: float, seconds: float, settings: Settings
) -> list[Pair]:
    """Find the pairs of contents with near vectors and compare their fingerprints.

    `tracks` has the columns content_sha256, uri, vector and duration_s. A pair has a cosine of at least `cosine` and
    lengths that differ by at most `seconds`. Fingerprints that the lake lacks are computed and stored.
    """
    candidates = _near_pairs(tracks, cosine, seconds)
    wanted = pa.array(sorted({name for pair in candidates for name in (pair.left, pair.right)}), pa.string())
    files = tracks.filter(pc.is_in(tracks["content_sha256"], wanted))
    uris: dict[str, list[str]] = defaultdict(list)
    for name, uri in zip(files["content_sha256"].to_pylist(), files["uri"].to_pylist(), strict=True):
        uris[name].append(uri)
    return list(_compare_fingerprints(candidates, seconds, lake, uris, settings))


def _near_pairs(tracks: pa.Table, cosine: float, seconds: float) -> list[Pair]:
    """Return the pairs of contents that are mutual nearest neighbours, from one vector per content."""
    from workers.metrics.neighbours import unit_rows
    from workers.metrics.pairs import LengthIndex, keep_mutual

    contents = pc.unique(tracks["content_sha256"])
    first = tracks.take(pc.index_in(contents, tracks["content_sha256"].combine_chunks()))
    vectors = unit_rows(to_matrix(first["vector"]))
    index = LengthIndex.build(vectors, first["duration_s"].to_numpy(), seconds)
    blocks = with_progress(index.blocks, f"comparing the vectors of {len(first):,} files")
    pairs = keep_mutual([index.search(block, cosine) for block in blocks], len(first))
    names = contents.to_pylist()
    return [
        Pair(names[left], names[right], round(float(score), 4))
        for left, right, score in zip(pairs.left, pairs.right, pairs.cosines, strict=True)
    ]


def _compare_fingerprints(
    pairs: list[Pair], seconds: float, lake: Lake, uris: dict[str, list[str]], settings: Settings
) -> Iterator[Pair]:
    """Yield each pair with its bit error rate, or with the reason for having none."""
    from workers.audio.fingerprint import bit_error_rate

    failures: dict[str, str] = {}
    parts = [pairs[start : start + PAIRS_AT_ONCE] for start in range(0, len(pairs), PAIRS_AT_ONCE)]
    for part in parts:
        wanted = {name for pair in part for name in (pair.left, pair.right)} - failures.keys()
        prints = _fingerprints(lake, {name: uris[name] for name in sorted(wanted)}, failures, settings)
        for pair in with_progress(part, f"comparing the sound of {len(part):,} of {len(pairs):,} pairs"):
            if reason := failures.get(pair.left) or failures.get(pair.right):
                yield replace(pair, reason=reason)
            else:
                rate = bit_error_rate(prints[pair.left], prints[pair.right], seconds + 1)
                yield replace(pair, bit_error_rate=round(rate, 4))


def _fingerprints(
    lake: Lake, uris: dict[str, list[str]], failures: dict[str, str], settings: Settings
) -> dict[str, bytes]:
    """Return the fingerprints of contents; compute and store those that the lake lacks.

    The reason for each content without a fingerprint is added to `failures`.
    """
    from workers.audio.fingerprint import is_current

    stored = {name: data for name, data in read_fingerprints(lake, list(uris)).items() if is_current(data)}
    missing = [(name, file_uris) for name, file_uris in uris.items() if name not in stored]
    if not missing:
        return stored
    computed: dict[str, bytes] = {}
    with Lease(lake, LeaseName.FINGERPRINTS, new_run_id(), ProgressReporter().log) as lease:
        results = _fingerprint_files(missing, settings)
        try:
            for result in with_progress(results, f"fingerprinting {len(missing):,} files", len(missing)):
                if result.fingerprint is None:
                    failures[result.content_sha256] = result.reason
                else:
                    computed[result.content_sha256] = result.fingerprint
        finally:  # an interrupt keeps the fingerprints computed so far
            write_fingerprints(lake, lease, computed)
    return stored | computed


def _fingerprint_files(missing: list[tuple[str, list[str]]], settings: Settings) -> "Iterator[FingerprintResult]":
    from workers.audio.fingerprint import fingerprint_content

    if len(missing) <= MAX_LOCAL_FILES:
        return (fingerprint_content(settings.s3, content) for content in missing)
    from workers.distributed.parallel_map import parallel_map

    return parallel_map(fingerprint_content, settings.s3, missing, settings)
