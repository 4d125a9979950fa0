"""The sounds of simulated catalogues, and what each encoder must make of them."""

import functools
import hashlib
import io
import tempfile
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pyarrow as pa
import soundfile

from schemas.audio import AudioFacts
from schemas.descriptions import DESCRIPTION_COLUMNS, Description
from schemas.encoders import EncoderSpec, HeadSpec
from schemas.settings import Settings
from schemas.tracks import TRACKS, TrackToEmbed
from tests.audio_files import sndfile
from workers.audio.fetch import FetchedFile
from workers.audio.metadata import FileTags
from workers.audio.recording import Recording
from workers.description.describer import Describer
from workers.embedding.outcomes import Outcome, unpack
from workers.embedding.pooling import PooledTrack, mean_pool
from workers.embedding.stages import FusedStage
from workers.embedding.track import DecodedFile, _consume_windows, embedded_outcome
from workers.encoders.base.interface import Encoder
from workers.encoders.base.registration import EncoderRegistration
from workers.encoders.base.torch_encoder import normalise_rows
from workers.encoders.fake import SPEC, FakeEncoder, FakeTextTower
from workers.encoders.registry import ENCODERS

RATE = 16_000
SECONDS = 2.5
_DAMAGED = (b"", b"RIFF", b"no audio at all" * 40)


class HeadOfFake(FakeEncoder):
    """The fake backbone with a head of its own: its features are stored, and other heads start from them."""

    def project(self, features: np.ndarray) -> np.ndarray:
        dim = self.spec.head.dim
        weights = np.random.default_rng(dim).standard_normal((features.shape[1], dim)).astype(np.float32)
        return normalise_rows(features @ weights)


def _head_spec(name: str, dim: int) -> EncoderSpec:
    return replace(SPEC, name=name, base="shared", head=HeadSpec(kind="projection", dim=dim, text_tower="words"))


HEADS = tuple(_head_spec(f"head-{dim}", dim) for dim in (8, 12))


def known_heads() -> AbstractContextManager[object]:
    """Make the two heads known as encoders inside a `with` block."""
    heads = {
        spec.name: EncoderRegistration(spec, HeadOfFake, FakeTextTower, weights=(), realtime_factor=600, verified=True)
        for spec in HEADS
    }
    return patch.dict(ENCODERS, heads)


@functools.cache
def sound(content: int) -> bytes:
    """Return the bytes of a content: noise, another for each number; below 0 a damaged file."""
    if content < 0:
        return _DAMAGED[content % len(_DAMAGED)] + (str(content).encode() if content % len(_DAMAGED) else b"")
    noise = 0.3 * np.random.default_rng(content).standard_normal((1, int(SECONDS * RATE)))
    return sndfile(noise.astype(np.float32), rate=RATE)


@functools.cache
def content_sha256(content: int) -> str:
    return hashlib.sha256(sound(content)).hexdigest()


@functools.cache
def expected_vectors(content: int, spec: EncoderSpec) -> dict[str, np.ndarray]:
    """Return what an encoder makes of a sound alone, by column: float32 arrays."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "sound.wav")
        path.write_bytes(sound(content))
        row = {"track_id": "alone", "uri": str(path), "source_version": "", "size": len(sound(content))}
        block = pa.Table.from_pylist([row | {"source": folder, "state": "active"}], schema=_nullable(TRACKS))
        ((_, outcome),) = unpack(FusedStage((spec,), Settings(lake=folder))(block), (spec,))
    assert outcome["outcome"].to_pylist() == ["embedded"], outcome.to_pylist()
    (row,) = outcome.select(["vector", "features", "window_vectors"]).to_pylist()
    return {name: np.asarray(value, np.float32) for name, value in row.items() if value is not None}


_heard: dict[tuple[str, str, bool], tuple[AudioFacts, PooledTrack, Description | None]] = {}


def embed_remembered(
    track: TrackToEmbed,
    fetched: FetchedFile,
    tags: FileTags,
    recording: Recording,
    encoder: Encoder,
    settings: Settings,
) -> Outcome:
    """Embed a fetched file as `workers.embedding.track` does; a content is decoded once for each encoder version.

    Contents are known by the hash of the bytes that were fetched, so a row of another file is still found.
    """
    key = (fetched.content_sha256, encoder.spec.embedding_version, settings.describe)
    if key not in _heard:
        windows = encoder.spec.backbone.windows
        facts, pooled = _consume_windows(recording, windows, settings, lambda windows: mean_pool(windows, encoder))
        _heard[key] = facts, pooled, recording.description()
    facts, pooled, description = _heard[key]
    decoded = DecodedFile(fetched.source_version, fetched.content_sha256, tags, facts, description)
    return embedded_outcome(track, decoded, pooled, encoder)


class RememberedDescriber:
    """Describes a sound as `Describer` does, which takes 20 ms, and remembers that by its samples."""

    def __init__(self) -> None:
        self._samples: list[np.ndarray] = []
        self._rate = 0

    def add(self, samples: np.ndarray, rate: int) -> None:
        self._samples.append(samples)
        self._rate = rate

    def finish(self) -> Description:
        samples = np.concatenate(self._samples, axis=1)
        return _describe(samples.tobytes(), len(samples), self._rate)


@functools.cache
def _describe(samples: bytes, channels: int, rate: int) -> Description:
    describer = Describer()
    describer.add(np.frombuffer(samples, np.float32).reshape(channels, -1), rate)
    return describer.finish()


@functools.cache
def expected_description(content: int) -> dict[str, Any]:
    """Return what must be stored of a sound: its description, from its samples alone, in float32."""
    samples, rate = soundfile.read(io.BytesIO(sound(content)), dtype="float32", always_2d=True)
    row = _describe(np.ascontiguousarray(samples.T).tobytes(), samples.shape[1], rate).to_columns()
    stored: dict[str, Any] = pa.Table.from_pylist([row], schema=pa.schema(DESCRIPTION_COLUMNS)).to_pylist()[0]
    return stored


def _nullable(schema: pa.Schema) -> pa.Schema:
    return pa.schema([field.with_nullable(True) for field in schema])
