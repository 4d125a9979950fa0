"""Stages that die on one file, and tracks of which one is that file."""

import os
import signal
from pathlib import Path
from typing import Any

import pyarrow as pa

from lake.sources.listing import list_sources
from schemas.settings import Settings
from tests.distributed.interrupted_runs import linked
from workers.embedding.stages import FusedStage

SOUND = 40


class PoisonStage(FusedStage):
    """Dies on one file as a decoder's segmentation fault would."""

    def __call__(self, block: pa.Table) -> pa.Table:
        for uri in block["uri"].to_pylist():
            if uri.endswith("poison.wav"):
                os.kill(os.getpid(), signal.SIGSEGV)
        return super().__call__(block)


class OncePoisonStage(FusedStage):
    """Dies on a file only beside others, as a kill for memory would."""

    def __call__(self, block: pa.Table) -> pa.Table:
        if len(block) > 1 and any(uri.endswith("poison.wav") for uri in block["uri"].to_pylist()):
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__call__(block)


def poisoned_tracks(folder: Path, rendered: Path) -> pa.Table:
    """Registry rows of forty sound tracks and one that kills its worker."""
    os.link(next(rendered.glob("*.wav")), linked(rendered, folder, SOUND) / "poison.wav")
    return list_sources([str(folder)], Settings().s3).tracks


def assert_quarantined_alone(found: dict[str, dict[str, Any]], tracks: pa.Table) -> None:
    """Every track has a row, and of all of them only the poisonous one is not embedded."""
    assert len(found) == SOUND + 1
    (culprit,) = [row for row in found.values() if row["outcome"] != "embedded"]
    assert (culprit["outcome"], culprit["reason"]) == ("quarantined", "decoder_crashed")
    uris = dict(zip(tracks["track_id"].to_pylist(), tracks["uri"].to_pylist(), strict=True))
    assert uris[culprit["track_id"]].endswith("poison.wav")
