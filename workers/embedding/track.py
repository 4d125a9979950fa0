"""One track, from its file to its outcomes. Without Ray: stages, searches by audio and tests call it."""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import numpy as np

from schemas.audio import AudioFacts, WindowSpec
from schemas.descriptions import Description
from schemas.embeddings import TAG_SCORE_FLOOR
from schemas.encoders import EncoderSpec
from schemas.settings import Settings
from schemas.tracks import TrackToEmbed
from workers.audio.fetch import FetchedFile, fetch
from workers.audio.metadata import FileTags, read_tags
from workers.audio.recording import Recording
from workers.audio.verdicts import Rejected
from workers.audio.windows import read_windows
from workers.embedding.outcomes import Outcome, pending_outcome, quarantined_outcome
from workers.embedding.pooling import PooledTrack, mean_pool
from workers.encoders.base.interface import Encoder

log = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class DecodedFile:
    """What decoding a file gives besides its windows."""

    source_version: str
    content_sha256: str
    tags: FileTags
    facts: AudioFacts
    description: Description | None


def embed_track(track: TrackToEmbed, encoders: Sequence[Encoder], settings: Settings) -> list[Outcome]:
    """Decode a track once and return its outcome for each encoder.

    A bad file raises nothing. Memory does not grow with the track's length: a long track is decoded again for each
    encoder.
    """

    def embed_with_all() -> list[Outcome]:
        with fetch(track.uri, settings.s3) as fetched:
            return embed_fetched(track, fetched, encoders, settings)

    result = result_or_failure(track, embed_with_all)
    return [result] * len(encoders) if isinstance(result, Outcome) else result


def embed_fetched(
    track: TrackToEmbed, fetched: FetchedFile, encoders: Sequence[Encoder], settings: Settings
) -> list[Outcome]:
    """Decode an open file once and return its outcome for each encoder, as `embed_track` does."""
    tags = read_tags(fetched.file)
    recording = Recording(fetched.file, keep=len(encoders) > 1, describe=settings.describe)
    return [
        result_or_failure(track, partial(_embed, track, fetched, tags, recording, encoder, settings))
        for encoder in encoders
    ]


def _embed(
    track: TrackToEmbed,
    fetched: FetchedFile,
    tags: FileTags,
    recording: Recording,
    encoder: Encoder,
    settings: Settings,
) -> Outcome:
    spec = encoder.spec.backbone.windows
    facts, pooled = _consume_windows(recording, spec, settings, lambda windows: mean_pool(windows, encoder))
    decoded = DecodedFile(fetched.source_version, fetched.content_sha256, tags, facts, recording.description())
    return embedded_outcome(track, decoded, pooled, encoder)


def decode_track(track: TrackToEmbed, spec: EncoderSpec, settings: Settings) -> tuple[DecodedFile, np.ndarray]:
    """Decode a track into memory and return its windows as float32 [windows, window].

    Raises Rejected if the file has a fatal verdict, and errors of the store or the network.
    """
    with fetch(track.uri, settings.s3) as fetched:
        tags = read_tags(fetched.file)
        recording = Recording(fetched.file, keep=False, describe=settings.describe)
        facts, windows = _consume_windows(recording, spec.backbone.windows, settings, _stack)
        description = recording.description()
        return DecodedFile(fetched.source_version, fetched.content_sha256, tags, facts, description), windows


def _consume_windows(
    recording: Recording, spec: WindowSpec, settings: Settings, consume: Callable[[Iterable[np.ndarray]], T]
) -> tuple[AudioFacts, T]:
    """Return the audio's facts and the result of `consume`, which iterates over the windows.

    If the channels cancel each other, the windows are those of the first channel instead of the channels' mean.
    """
    windows = read_windows(recording, spec, settings.accept)
    result = consume(windows)
    if "phase_cancelled" in windows.facts.verdicts:
        windows = read_windows(recording, spec, settings.accept, first_channel=True)
        result = consume(windows)
    return windows.facts, result


def _stack(windows: Iterable[np.ndarray]) -> np.ndarray:
    return np.stack(list(windows))


def embedded_outcome(track: TrackToEmbed, decoded: DecodedFile, pooled: PooledTrack, encoder: Encoder) -> Outcome:
    """Return the outcome of an embedded track. The registry's metadata wins over the file's own tags."""
    tags, facts = decoded.tags, decoded.facts
    return Outcome(
        track_id=track.track_id,
        outcome="embedded",
        source_version=decoded.source_version,
        content_sha256=decoded.content_sha256,
        duration_s=facts.duration_s,
        title=track.title or tags.title,
        artist=track.artist or tags.artist,
        album=track.album or tags.album,
        genres=track.genres or list(tags.genres),
        year=track.year or tags.year,
        verdicts=list(facts.verdicts),
        features=pooled.features.astype(np.float16),
        window_vectors=list(pooled.window_vectors),
        codec=facts.codec,
        sample_rate=facts.sample_rate,
        channels=facts.channels,
        peak=facts.peak,
        rms_dbfs=facts.rms_dbfs,
        description=decoded.description.to_columns() if decoded.description else None,
        **_project_and_tag(pooled.features, encoder),
    )


def derive_rows(tracks: list[dict[str, Any]], encoder: Encoder) -> list[dict[str, Any]]:
    """Compute vectors and tags of a new head or tagger from stored features, without audio.

    `tracks` are stored rows with their `features`; returns rows with the columns of `outcome_schema`.
    """
    rows = []
    for track in tracks:
        features = np.asarray(track["features"], np.float32)
        kept = {name: value for name, value in track.items() if name != "features"}
        rows.append(kept | {"outcome": "embedded"} | _project_and_tag(features, encoder))
    return rows


def result_or_failure(track: TrackToEmbed, compute: Callable[[], T]) -> T | Outcome:
    """Return the result of `compute`, or the outcome of its failure.

    A verdict quarantines the track; any other error leaves it pending.
    """
    try:
        return compute()
    except Rejected as rejected:
        return quarantined_outcome(track, rejected.reason, rejected.message)
    except Exception as error:  # one file must not end its block; the message keeps the error
        log.debug("%s stays pending", track.uri, exc_info=True)
        return pending_outcome(track, f"{type(error).__name__}: {error}")


def _project_and_tag(features: np.ndarray, encoder: Encoder) -> dict[str, Any]:
    """Return the columns that head and tagger compute from one track's features [feature_dim]."""
    row = features[None]
    return {"vector": encoder.project(row)[0], **_tag(row, encoder)}


def _tag(features: np.ndarray, encoder: Encoder) -> dict[str, Any]:
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
