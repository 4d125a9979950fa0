"""The plain loop for comparison: one process, track after track, nothing written."""

import sys
import time
from pathlib import Path

from schemas.settings import Settings
from schemas.tracks import TrackToEmbed
from workers.embedding.track import embed_track
from workers.encoders.registry import ENCODERS, load_encoder

SAMPLE = 24


def main(music: Path) -> None:
    """Print seconds per track over a sample of the folder."""
    settings = Settings()
    entry = ENCODERS[settings.encoder]
    entry.fetch_weights(settings.models)
    encoder = load_encoder(entry.spec, settings.models)
    files = sorted(path for path in music.iterdir() if path.suffix != ".csv")
    chosen = files[:: max(1, len(files) // SAMPLE)][:SAMPLE]
    started = time.perf_counter()
    for path in chosen:
        (outcome,) = embed_track(TrackToEmbed(path.name, str(path), ""), [encoder], settings)
        assert outcome.outcome == "embedded", outcome
    print((time.perf_counter() - started) / len(chosen))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
