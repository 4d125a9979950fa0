"""The stages that workers run. A constructor loads; a call maps a block of tracks.

FusedStage((spec,), settings)(block)
"""

import logging
import pickle
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from schemas.encoders import EncoderSpec
from schemas.errors import UserError
from schemas.settings import Settings
from schemas.tracks import TrackToEmbed
from workers.embedding.outcomes import Outcome, Specs, outcome_table, pack
from workers.embedding.pooling import PooledTrack, mean_pool, pool_tracks
from workers.embedding.track import decode_track, embed_track, embedded_outcome, result_or_failure
from workers.encoders.base.interface import Encoder
from workers.encoders.registry import find_by_spec, load_encoder

log = logging.getLogger(__name__)


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
    """The GPU half: maps the result of DecodeStage to outcomes.

    For an encoder that may use a GPU, the windows of all tracks of a block share batches. The others encode a track
    at a time, as FusedStage does: in larger batches they are no faster.
    """

    def __init__(self, spec: EncoderSpec, settings: Settings) -> None:
        self._encoders, self._refusal = _load_encoders((spec,), settings)
        self._shares_batches = find_by_spec(spec).on_gpu

    def __call__(self, block: dict[str, np.ndarray]) -> pa.Table:
        if self._refusal:
            raise self._refusal
        (encoder,) = self._encoders
        payloads = [pickle.loads(payload) for payload in block["payload"]]
        pooled: list[PooledTrack | None] = [None] * len(payloads)
        if self._shares_batches:
            pooled = _pool_block(payloads, block["windows"], encoder)
        rows = zip(payloads, block["windows"], pooled, strict=True)
        return outcome_table([_encode(*row, encoder) for row in rows], encoder.spec)


def _pool_block(payloads: list[Any], windows: Sequence[np.ndarray], encoder: Encoder) -> list[PooledTrack | None]:
    """Encode all decoded tracks of a block in common batches.

    The result is None for a track without windows, and for all tracks if a batch fails: no batch names the track that
    is to blame.
    """
    decoded = [row for row, payload in enumerate(payloads) if not isinstance(payload, Outcome)]
    pooled: list[PooledTrack | None] = [None] * len(payloads)
    try:
        for row, track in zip(decoded, pool_tracks([windows[row] for row in decoded], encoder), strict=True):
            pooled[row] = track
    except Exception:
        log.debug("the tracks of a block are encoded one by one", exc_info=True)
    return pooled


def _encode(payload: Any, windows: np.ndarray, pooled: PooledTrack | None, encoder: Encoder) -> Outcome:
    """Return a track's outcome; its windows are encoded here if they are not pooled yet."""
    if isinstance(payload, Outcome):
        return payload
    track, decoded = payload
    return result_or_failure(
        track, lambda: embedded_outcome(track, decoded, pooled or mean_pool(windows, encoder), encoder)
    )


def _load_encoders(specs: Specs, settings: Settings) -> tuple[list[Encoder], UserError | None]:
    """Load the encoders, or return the error to raise at the first block.

    Ray reports an error of a constructor as the death of an actor.
    """
    try:
        return [load_encoder(spec, settings.models) for spec in specs], None
    except UserError as refusal:
        return [], refusal
