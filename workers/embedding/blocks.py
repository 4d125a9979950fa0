"""Blocks of tracks, and the outcomes of tracks whose worker failed."""

import numpy as np
import pyarrow as pa

from schemas.audio import estimate_seconds
from schemas.tracks import TrackToEmbed
from workers.embedding.outcomes import Outcome, Specs, outcome_table, pack, pending_outcome, quarantined_outcome

MAX_BLOCK_TRACKS = 16
BLOCKS_PER_CORE = 8


def cut_into_blocks(tracks: pa.Table, cpus: int) -> list[pa.Table]:
    """Cut tracks into blocks, longest tracks first.

    So no core computes a long track at the end while the others are idle. Few tracks make small blocks.
    """
    longest_first = np.argsort(estimated_seconds(tracks))[::-1]
    tracks = tracks.take(pa.array(longest_first))
    rows = min(MAX_BLOCK_TRACKS, max(1, len(tracks) // (BLOCKS_PER_CORE * cpus)))
    return [tracks.slice(start, rows) for start in range(0, len(tracks), rows)]


def estimated_seconds(tracks: pa.Table) -> list[float]:
    """Estimate the seconds of audio of each file of registry rows, from their sizes."""
    pairs = zip(tracks["uri"].to_pylist(), tracks["size"].to_pylist(), strict=True)
    return [estimate_seconds(uri, size) for uri, size in pairs]


def total_seconds(tracks: pa.Table) -> float:
    """Estimate the seconds of audio of all files of registry rows."""
    return sum(estimated_seconds(tracks))


def crash_outcome(track: pa.Table, specs: Specs) -> pa.Table:
    """Return a packed block for one track that killed its worker each time."""
    message = "the worker died on this file three times, twice with nothing beside it"
    return _same_outcome(quarantined_outcome(TrackToEmbed.from_table(track)[0], "decoder_crashed", message), specs)


def failure_outcome(track: pa.Table, error: BaseException, specs: Specs) -> pa.Table:
    """Return a packed block for one track that the next run tries again."""
    message = f"{type(error).__name__}: {error}"
    return _same_outcome(pending_outcome(TrackToEmbed.from_table(track)[0], message), specs)


def _same_outcome(outcome: Outcome, specs: Specs) -> pa.Table:
    """Return a packed block with the same outcome for every encoder."""
    return pack([outcome_table([outcome], spec) for spec in specs])
