"""What a worker does with a block of tracks, as Ray Data calls it: a constructor that loads, a call that maps a block.

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
from workers.embedding.outcomes import Specs, outcomes, packed
from workers.embedding.track import Row, decode_track, embed_track, embedded_row, or_reason, pool
from workers.encoders.base.interface import Encoder
from workers.encoders.registry import entry_of, load_encoder

GPU_TRACKS = 2  # tracks that a GPU is given at once: while it computes one, the other is made ready and told of


class FusedStage:
    """Decodes each track of a block once, and encodes it by every encoder [registry's columns -> packed outcomes]."""

    def __init__(self, specs: Specs, settings: Settings) -> None:
        self._encoders, self._refusal = _loaded_or_refused(specs, settings)
        self._settings = settings

    def __call__(self, block: pa.Table) -> pa.Table:
        if self._refusal:
            raise self._refusal
        tracks = [embed_track(track, self._encoders, self._settings) for track in block.to_pylist()]
        columns = zip(self._encoders, zip(*tracks, strict=True), strict=True)
        return packed([outcomes(list(rows), encoder.spec) for encoder, rows in columns])


class DecodeStage:
    """The CPU half: tracks -> windows and what else the file told."""

    def __init__(self, spec: EncoderSpec, settings: Settings) -> None:
        self._spec, self._settings = spec, settings

    def __call__(self, block: pa.Table) -> dict[str, np.ndarray]:
        done = [self._decode(track) for track in block.to_pylist()]
        parts = np.empty(len(done), dtype=object)
        parts[:] = [windows for _, windows in done]
        return {"payload": np.array([pickle.dumps(payload) for payload, _ in done], dtype=object), "windows": parts}

    def _decode(self, track: Row) -> tuple[Any, np.ndarray]:
        nothing = np.zeros((0, self._spec.backbone.windows.window), np.float32)
        result: list[Any] = []

        def work() -> Row:
            result.extend(decode_track(track, self._spec, self._settings))
            return {}

        refused = or_reason(track, work)
        return (refused, nothing) if refused else ((track, result[0]), result[1])


class EncodeStage:
    """The GPU half: windows -> outcomes."""

    def __init__(self, spec: EncoderSpec, settings: Settings) -> None:
        self._encoders, self._refusal = _loaded_or_refused((spec,), settings)
        self._at_once = GPU_TRACKS if entry_of(spec).on_gpu else 1

    def __call__(self, batch: dict[str, np.ndarray]) -> pa.Table:
        if self._refusal:
            raise self._refusal
        (encoder,) = self._encoders
        pairs = zip(batch["payload"], batch["windows"], strict=True)
        with ThreadPoolExecutor(self._at_once) as threads:
            rows = list(threads.map(lambda pair: _encoded(pickle.loads(pair[0]), pair[1], encoder), pairs))
        return outcomes(rows, encoder.spec)


def _encoded(payload: Any, windows: np.ndarray, encoder: Encoder) -> Row:
    if isinstance(payload, dict):
        return payload
    track, decoded = payload
    return or_reason(track, lambda: embedded_row(track, decoded, pool(windows, encoder), encoder))


def _loaded_or_refused(specs: Specs, settings: Settings) -> tuple[list[Encoder], UserError | None]:
    """A refusal is kept until the first block: raised from a constructor, Ray would tell it as an actor's death."""
    try:
        return [load_encoder(spec, settings.models) for spec in specs], None
    except UserError as refusal:
        return [], refusal
