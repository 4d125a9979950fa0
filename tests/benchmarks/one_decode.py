"""What one decoding for several encoders saves: the same tracks, heard by both at once and by one after the other.

python -m tests.benchmarks.one_decode [ENCODER,ENCODER] [--tracks 60] [--seconds 60]

One process, one thread, no Ray: the difference is the decoding alone.
"""

import argparse
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from schemas.settings import Settings
from workers.embedding.track import embed_track
from workers.encoders.base.interface import Encoder
from workers.encoders.registry import encoder_entry
from workers.synthetic_music.demo.catalogue import render_catalogue


def main() -> None:
    """Renders, hears and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("encoders", nargs="?", default="fake,musicnn")
    parser.add_argument("--tracks", type=int, default=60)
    parser.add_argument("--seconds", type=int, default=60)
    asked = parser.parse_args()
    settings = Settings(encoder=asked.encoders)
    entries = [encoder_entry(name) for name in settings.encoders]
    for entry in entries:
        entry.prepare(settings.models)
    encoders = [entry.load(entry.spec, settings.models) for entry in entries]
    with tempfile.TemporaryDirectory() as folder:
        music = render_catalogue(Path(folder), asked.tracks, seconds=asked.seconds).parent
        files = sorted(path for path in music.iterdir() if path.suffix != ".csv")
        hear(files[:2], encoders, settings)  # the first ones also load libraries
        apart = sum(hear(files, [encoder], settings) for encoder in encoders)
        together = hear(files, encoders, settings)
    saved = 1 - together / apart
    print(f"{asked.encoders}: one after the other {apart:.1f} s, at once {together:.1f} s: {saved:.0%} saved")


def hear(files: list[Path], encoders: Sequence[Encoder], settings: Settings) -> float:
    """Seconds that the encoders take for these files."""
    started = time.perf_counter()
    for path in files:
        rows = embed_track({"track_id": path.name, "uri": str(path), "source_version": ""}, encoders, settings)
        assert all(row["outcome"] == "embedded" for row in rows), rows
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
