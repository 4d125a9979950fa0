"""The stages that workers run. A constructor loads; a call maps a block of tracks.

FusedStage((spec,), settings)(block)
"""

import pickle
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pyarrow as pa

from schemas.encoders import EncoderSpec
from schemas.errors import UserError
from schemas.settings import Settings
from schemas.tracks import TrackToEmbed
from workers.embedding.outcomes import Outcome, Specs, outcome_table, pack
from workers.embedding.track import decode_track, embed_track, embedded_outcome, mean_pool, result_or_failure
from workers.encoders.base.interface import Encoder
from workers.encoders.registry import find_by_spec, load_encoder

GPU_TRACKS = 2  # tracks that use a GPU at once: it computes one while the CPU prepares the other


class FusedStage:
    """Decodes each track of a block once and embeds it with every encoder.

    It maps a block with the registry's columns to packed outcomes.
    """

    def __init__(self, specs: Specs, settings: Settings) -> None:
        self._encoders, self._refusal = _load_encoders(specs, settings)
        self._settings = settings

    def __call__(self, block: pa.Table) -> pa.Table:
        if self._refusal:
            raise self._refusal
        tracks = [embed_track(track, self._encoders, self._settings) for track in TrackToEmbed.from_table(block)]
        by_encoder = zip(self._encoders, zip(*tracks, strict=True), strict=True)
        return pack([outcome_table(list(outcomes), encoder.spec) for encoder, outcomes in by_encoder])


class DecodeStage:
    """The CPU half: maps a block of tracks to their windows.

    The columns of its result, one row per track: `windows`, float32 [windows, window], and `payload`, pickled: the
    track with its DecodedFile, or the Outcome of a track that could not be decoded, which has no windows.
    """

    def __init__(self, spec: EncoderSpec, settings: Settings) -> None:
        self._spec, self._settings = spec, settings

    def __call__(self, block: pa.Table) -> dict[str, np.ndarray]:
        decoded = [self._decode(track) for track in TrackToEmbed.from_table(block)]
        windows = np.empty(len(decoded), dtype=object)
        windows[:] = [track_windows for _, track_windows in decoded]
        return {
            "payload": np.array([pickle.dumps(payload) for payload, _ in decoded], dtype=object),
            "windows": windows,
        }

    def _decode(self, track: TrackToEmbed) -> tuple[Any, np.ndarray]:
        result = result_or_failure(track, lambda: decode_track(track, self._spec, self._settings))
        if isinstance(result, Outcome):
            return result, np.zeros((0, self._spec.backbone.windows.window), np.float32)
        decoded, windows = result
        return (track, decoded), windows


class EncodeStage:
    """The GPU half: maps the result of DecodeStage to outcomes."""

    def __init__(self, spec: EncoderSpec, settings: Settings) -> None:
        self._encoders, self._refusal = _load_encoders((spec,), settings)
        self._threads = GPU_TRACKS if find_by_spec(spec).on_gpu else 1

    def __call__(self, batch: dict[str, np.ndarray]) -> pa.Table:
        if self._refusal:
            raise self._refusal
        (encoder,) = self._encoders
        with ThreadPoolExecutor(self._threads) as threads:
            outcomes = threads.map(
                lambda payload, windows: _encode(pickle.loads(payload), windows, encoder),
                batch["payload"],
                batch["windows"],
            )
            return outcome_table(list(outcomes), encoder.spec)


def _encode(payload: Any, windows: np.ndarray, encoder: Encoder) -> Outcome:
    if isinstance(payload, Outcome):
        return payload
    track, decoded = payload
    return result_or_failure(track, lambda: embedded_outcome(track, decoded, mean_pool(windows, encoder), encoder))


def _load_encoders(specs: Specs, settings: Settings) -> tuple[list[Encoder], UserError | None]:
    """Load the encoders, or return the error to raise at the first block.

    Ray reports an error of a constructor as the death of an actor.
    """
    try:
        return [load_encoder(spec, settings.models) for spec in specs], None
    except UserError as refusal:
        return [], refusal
