"""The plain loop that tonelake is measured against: one process, one track after the other, nothing written."""

import sys
import time
from pathlib import Path

from schemas.settings import Settings
from workers.embedding.track import embed_track
from workers.encoders.registry import ENCODERS, load_encoder

SAMPLE = 24


def main(music: Path) -> None:
    """Prints seconds a track over a sample spread over the folder."""
    settings = Settings()
    entry = ENCODERS[settings.encoder]
    entry.prepare(settings.models)
    encoder = load_encoder(entry.spec, settings.models)
    files = sorted(path for path in music.iterdir() if path.suffix != ".csv")
    chosen = files[:: max(1, len(files) // SAMPLE)][:SAMPLE]
    started = time.perf_counter()
    for path in chosen:
        (row,) = embed_track({"track_id": path.name, "uri": str(path), "source_version": ""}, [encoder], settings)
        assert row["outcome"] == "embedded", row
    print((time.perf_counter() - started) / len(chosen))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
