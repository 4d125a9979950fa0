"""Cosines of one recording's encodes, and of other recordings: what `flows.search.copies` decides by without audio.

python -m tests.benchmarks.near_equal [STEP] [LAKE]
"""

import io
import sys
import tempfile
from pathlib import Path

import numpy as np
import soxr

from flows.search.copies import CANDIDATE_SECONDS, COSINE
from flows.search.version import resolve_version
from lake.storage.vectors import to_matrix
from schemas.audio import ACCEPTABLE
from schemas.settings import Settings
from schemas.tables import embeddings_table
from schemas.tracks import TrackToEmbed
from tests.audio_files import RATE, ffmpeg, sndfile
from tests.rendered_twins import encodes, others, sound
from workers.audio.decode import decode
from workers.audio.verdicts import AudioInspector
from workers.embedding.track import embed_track
from workers.encoders.registry import require_runnable
from workers.synthetic_music.demo.catalogue import kinds
from workers.synthetic_music.score.songs import Song

RENDERED_SECONDS, REAL_SECONDS = 20, 60
REAL_ENCODES = (("mp3 64", "mp3", 64_000), ("mp3 128", "mp3", 128_000), ("opus 48", "opus", 48_000))


class Embedder:
    """The default encoder, loaded once."""

    def __init__(self) -> None:
        self.settings = Settings(describe=False)
        registration = require_runnable(self.settings.encoder, self.settings)
        self.encoder = registration.load(registration.spec, self.settings.models)
        self.folder = Path(tempfile.mkdtemp())

    def embed(self, data: bytes, suffix: str) -> np.ndarray:
        """Return the vector [dim] of a file's bytes."""
        path = self.folder / f"file.{suffix}"
        path.write_bytes(data)
        track = TrackToEmbed(track_id="x", uri=str(path), source_version="")
        (outcome,) = embed_track(track, [self.encoder], self.settings)
        assert outcome.outcome == "embedded", outcome.message
        return np.asarray(outcome.vector, np.float32)


def rendered_pairs(step: int, embedder: Embedder) -> dict[str, list[float]]:
    """Return the cosines of every `step`-th kind of piece, by sort of pair."""
    cosines: dict[str, list[float]] = {}
    for style in kinds()[::step]:
        song = Song.compose(style, 1)
        samples = sound(song, RENDERED_SECONDS)
        vector = embedder.embed(sndfile(samples), "wav")
        for name, data in encodes(samples):
            other = embedder.embed(data, name.rsplit(".", 1)[-1])
            cosines.setdefault(f"same: {name}", []).append(float(vector @ other))
        for name, other_samples in others(style, song, RENDERED_SECONDS):
            other = embedder.embed(sndfile(other_samples), "wav")
            cosines.setdefault(f"other: {name}", []).append(float(vector @ other))
        print(style.name, file=sys.stderr)
    return cosines


def real_pairs(lake: str, step: int, embedder: Embedder) -> dict[str, list[float]]:
    """Return the cosines of a lake's own files: encodes of a minute of every `step`-th, and pairs of equal length."""
    version = resolve_version(Settings(lake=lake))
    rows = version.lake.table(embeddings_table(version.spec)).to_table(["track_id", "duration_s", "vector"])
    vectors, seconds = to_matrix(rows["vector"]), rows["duration_s"].to_numpy()
    left, right = np.triu_indices(len(rows), 1)
    near = np.abs(seconds[left] - seconds[right]) <= CANDIDATE_SECONDS
    pairs = np.einsum("ij,ij->i", vectors[left[near]], vectors[right[near]])
    cosines = {"other: real tracks of about one length": pairs.tolist()}
    uris = version.lake.table("tracks").to_table(["track_id", "uri"]).to_pylist()
    for uri in [row["uri"] for row in uris][::step]:
        try:
            samples = _first_minute(uri)
        except Exception as error:  # a file that is none
            print(uri, error, file=sys.stderr)
            continue
        vector = embedder.embed(sndfile(samples), "wav")
        for name, suffix, bit_rate in REAL_ENCODES:
            other = embedder.embed(ffmpeg(samples, suffix, bit_rate=bit_rate), suffix)
            cosines.setdefault(f"same: real, {name}", []).append(float(vector @ other))
        print(uri, file=sys.stderr)
    return cosines


def _first_minute(uri: str) -> np.ndarray:
    """Decode the first minute of a file, float32 [2, samples] at RATE."""
    pieces, length = [], 0.0
    with open(uri, "rb") as file:
        for chunk in decode(io.BytesIO(file.read()), AudioInspector(ACCEPTABLE)):
            piece = soxr.resample(np.asarray(chunk.samples, np.float32).T, chunk.rate, RATE).T
            pieces.append(piece[[0, -1]])
            length += piece.shape[1] / RATE
            if length >= REAL_SECONDS:
                break
    return np.ascontiguousarray(np.concatenate(pieces, axis=1)[:, : REAL_SECONDS * RATE])


def main() -> None:
    """Print the lowest, the middle and the highest cosine of each sort of pair."""
    step = int(sys.argv[1]) if len(sys.argv) > 1 else 6
    embedder = Embedder()
    cosines = rendered_pairs(step, embedder)
    if len(sys.argv) > 2:
        cosines |= real_pairs(sys.argv[2], step, embedder)
    for name, values in sorted(cosines.items()):
        low, middle, high = np.percentile(values, [0, 50, 100])
        over = sum(value >= COSINE for value in values)
        print(f"{name:56s} {len(values):4d}  {low:.3f}  {middle:.3f}  {high:.3f}  {over} at {COSINE} or more")


if __name__ == "__main__":
    main()
