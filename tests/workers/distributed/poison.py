"""Stages that crash on one file, and tracks that include it."""

import os
import signal
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from lake.sources.listing import list_sources
from schemas.settings import Settings
from tests.distributed.interrupted_runs import link_tracks
from workers.embedding.outcomes import Outcomes
from workers.embedding.stages import DecodeStage, FusedStage

SOUND_TRACKS = 40


class PoisonStage(FusedStage):
    """Crashes on one file, as a decoder with a segmentation fault does."""

    def __call__(self, block: pa.Table) -> pa.Table:
        crash_on_poison(block)
        return super().__call__(block)


class PoisonDecodeStage(DecodeStage):
    """Crashes as PoisonStage does, where decoding has processes of its own."""

    def __call__(self, block: pa.Table) -> dict[str, np.ndarray]:
        crash_on_poison(block)
        return super().__call__(block)


class OncePoisonStage(FusedStage):
    """Crashes on a file only beside others, as a process that is killed for its memory does."""

    def __call__(self, block: pa.Table) -> pa.Table:
        if len(block) > 1 and any(uri.endswith("poison.wav") for uri in block["uri"].to_pylist()):
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__call__(block)


def crash_on_poison(block: pa.Table) -> None:
    """End this process if the block has the poisonous file."""
    if any(uri.endswith("poison.wav") for uri in block["uri"].to_pylist()):
        os.kill(os.getpid(), signal.SIGSEGV)


def poisoned_tracks(folder: Path, rendered: Path) -> pa.Table:
    """Return registry rows of forty sound tracks and one that crashes its worker."""
    os.link(next(rendered.glob("*.wav")), link_tracks(rendered, folder, SOUND_TRACKS) / "poison.wav")
    return list_sources([str(folder)], Settings().s3).tracks


def by_track(batches: Iterable[Outcomes]) -> dict[str, dict[str, Any]]:
    """Return the outcomes of an executor by track_id; each track has one."""
    rows = [row for _, batch in batches for row in batch.to_pylist()]
    outcomes = {row["track_id"]: row for row in rows}
    assert len(outcomes) == len(rows), "a track has two outcomes"
    return outcomes


def assert_only_poison_quarantined(outcomes: dict[str, dict[str, Any]], tracks: pa.Table) -> None:
    """Check that every track has an outcome and that only the poisonous one is not embedded."""
    assert len(outcomes) == SOUND_TRACKS + 1
    (culprit,) = [row for row in outcomes.values() if row["outcome"] != "embedded"]
    assert (culprit["outcome"], culprit["reason"]) == ("quarantined", "decoder_crashed")
    uris = dict(zip(tracks["track_id"].to_pylist(), tracks["uri"].to_pylist(), strict=True))
    assert uris[culprit["track_id"]].endswith("poison.wav")
