"""One track, from its file to an outcome row. No Ray here: the stages, a query by audio and the tests call it."""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any, TypeVar

import numpy as np

from schemas.audio import AudioFacts, WindowSpec
from schemas.embeddings import TAG_SCORE_FLOOR
from schemas.encoders import EncoderSpec
from schemas.redaction import redacted
from schemas.settings import Settings
from workers.audio.fetch import Fetched, fetch
from workers.audio.metadata import FileTags, file_tags
from workers.audio.recording import Recording
from workers.audio.verdicts import Rejected
from workers.audio.windows import read_windows
from workers.encoders.base.interface import Encoder

log = logging.getLogger(__name__)

BATCH_SAMPLES = 16_000_000  # of windows encoded at once: 64 MB

Row = dict[str, Any]
Taken = TypeVar("Taken")


@dataclass(frozen=True, slots=True)
class Decoded:
    """What a file told besides its windows."""

    source_version: str
    content_sha256: str
    tags: FileTags
    facts: AudioFacts


@dataclass(frozen=True, slots=True)
class Pooled:
    """A track's features [feature_dim], the mean over its windows, and each window's unit vector [windows, dim]."""

    features: np.ndarray
    window_vectors: np.ndarray


def embed_track(track: Row, encoders: Sequence[Encoder], settings: Settings) -> list[Row]:
    """A row for each encoder, from one decoding of the track; never raises for a bad file.

    Memory does not grow with its length: a long track is decoded again for each encoder.
    """
    rows: list[Row] = []

    def work() -> Row:
        with fetch(track["uri"], settings.s3) as fetched:
            tags, recording = file_tags(fetched.file), Recording(fetched.file, keep=len(encoders) > 1)
            for encoder in encoders:
                rows.append(or_reason(track, partial(_row, track, fetched, tags, recording, encoder, settings)))
        return {}

    refused = or_reason(track, work)
    return rows if len(rows) == len(encoders) else [refused] * len(encoders)


def _row(
    track: Row, fetched: Fetched, tags: FileTags, recording: Recording, encoder: Encoder, settings: Settings
) -> Row:
    spec = encoder.spec.backbone.windows
    facts, pooled = _heard(recording, spec, settings, lambda windows: pool(windows, encoder))
    decoded = Decoded(fetched.source_version, fetched.content_sha256, tags, facts)
    return embedded_row(track, decoded, pooled, encoder)


def decode_track(track: Row, spec: EncoderSpec, settings: Settings) -> tuple[Decoded, np.ndarray]:
    """The windows of one track in memory, float32 [windows, window]; raises what `or_reason` knows."""
    with fetch(track["uri"], settings.s3) as fetched:
        tags = file_tags(fetched.file)
        recording = Recording(fetched.file, keep=False)
        facts, stacked = _heard(recording, spec.backbone.windows, settings, lambda windows: np.stack(list(windows)))
        return Decoded(fetched.source_version, fetched.content_sha256, tags, facts), stacked


def _heard(
    recording: Recording, spec: WindowSpec, settings: Settings, take: Callable[[Iterable[np.ndarray]], Taken]
) -> tuple[AudioFacts, Taken]:
    """What `take` makes of the windows. Where the channels cancel each other it hears the first one instead."""
    windows = read_windows(recording, spec, settings.accept)
    taken = take(windows)
    if "phase_cancelled" in windows.facts.verdicts:
        windows = read_windows(recording, spec, settings.accept, first_channel=True)
        taken = take(windows)
    return windows.facts, taken


def pool(windows: Iterable[np.ndarray], encoder: Encoder) -> Pooled:
    """Encodes windows as they come and keeps their mean: float64 sums, so that order and batches do not show."""
    total, count, vectors = np.zeros(encoder.spec.backbone.dim), 0, []
    for batch in _batches(iter(windows), max(1, BATCH_SAMPLES // encoder.spec.backbone.windows.window)):
        features = encoder.embed_windows(batch)
        total += features.sum(axis=0, dtype=np.float64)
        count += len(batch)
        vectors.append(encoder.project(features).astype(np.float16))
    return Pooled((total / count).astype(np.float32), np.concatenate(vectors))


def embedded_row(track: Row, decoded: Decoded, pooled: Pooled, encoder: Encoder) -> Row:
    """The completed row; what the manifest says of a track wins over the file's own tags."""
    features = pooled.features[None]
    facts = decoded.facts
    named = {name: track.get(name) or getattr(decoded.tags, name) for name in ("title", "artist", "album", "year")}
    return {
        "track_id": track["track_id"],
        "outcome": "embedded",
        "source_version": decoded.source_version,
        "content_sha256": decoded.content_sha256,
        "duration_s": facts.duration_s,
        **named,
        "genres": track.get("genres") or list(decoded.tags.genres),
        "verdicts": list(facts.verdicts),
        **_vector_and_tags(features, encoder),
        "features": pooled.features.astype(np.float16),
        "window_vectors": list(pooled.window_vectors),
        **{name: getattr(facts, name) for name in ("codec", "sample_rate", "channels", "peak", "loudness")},
    }


def derived_rows(tracks: list[Row], encoder: Encoder) -> list[Row]:
    """Rows of tracks whose features are known: a new head or tagger hears no audio again."""
    return [
        {name: value for name, value in track.items() if name != "features"}
        | {"outcome": "embedded", **_vector_and_tags(np.asarray(track["features"], np.float32)[None], encoder)}
        for track in tracks
    ]


def or_reason(track: Row, work: Callable[[], Row]) -> Row:
    """The row that `work` gives; else why there is none: a verdict quarantines, any other error leaves it pending."""
    try:
        return work()
    except Rejected as rejected:
        return quarantined_row(track, rejected.reason, rejected.message)
    except Exception as error:  # one file must not take its block down; what went wrong is told, not hidden
        log.debug("%s stays pending", track["uri"], exc_info=True)
        return pending_row(track, f"{type(error).__name__}: {error}")


def quarantined_row(track: Row, reason: str, message: str) -> Row:
    """A row that says why a track cannot be embedded at this version of its file."""
    return _unembedded(track, "quarantined", reason, message)


def pending_row(track: Row, message: str) -> Row:
    """A row that says why a track was not embedded by this run; the next one tries again."""
    return _unembedded(track, "pending", None, message)


def _unembedded(track: Row, outcome: str, reason: str | None, message: str) -> Row:
    return {
        "track_id": track["track_id"],
        "outcome": outcome,
        "reason": reason,
        "message": redacted(message)[:500],
        "source_version": track["source_version"],
    }


def _vector_and_tags(features: np.ndarray, encoder: Encoder) -> Row:
    """What head and tagger make of one track's features [1, feature_dim]."""
    return {"vector": encoder.project(features)[0], **_tags(features, encoder)}


def _tags(features: np.ndarray, encoder: Encoder) -> Row:
    tagger = encoder.spec.tagger
    if tagger is None:
        return {"tags": [], "tag_names": [], "tags_version": encoder.spec.tags_version}
    scores = zip(tagger.vocabulary, encoder.tag(features)[0].tolist(), strict=True)
    tags = sorted(((name, score) for name, score in scores if score >= TAG_SCORE_FLOOR), key=lambda tag: -tag[1])
    return {
        "tags": [{"name": name, "score": score} for name, score in tags],
        "tag_names": [name for name, score in tags if score >= tagger.threshold],
        "tags_version": encoder.spec.tags_version,
    }


def _batches(windows: Iterator[np.ndarray], size: int) -> Iterator[np.ndarray]:
    while batch := list(islice(windows, size)):
        yield np.stack(batch)
