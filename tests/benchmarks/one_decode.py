"""The time that one decoding for several encoders saves, against one after the other.

python -m tests.benchmarks.one_decode [ENCODER,ENCODER] [--tracks 60] [--seconds 60]

One process, one thread, no Ray: the difference is the decoding alone.
"""

import argparse
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from schemas.settings import Settings
from schemas.tracks import TrackToEmbed
from tests.benchmarks.figures import Figure, record_figures
from workers.embedding.track import embed_track
from workers.encoders.base.interface import Encoder
from workers.encoders.registry import find_by_name
from workers.synthetic_music.demo.catalogue import render_catalogue


def main() -> None:
    """Render, embed and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("encoders", nargs="?", default="fake,musicnn")
    parser.add_argument("--tracks", type=int, default=60)
    parser.add_argument("--seconds", type=int, default=60)
    arguments = parser.parse_args()
    settings = Settings(encoder=arguments.encoders)
    entries = [find_by_name(name) for name in settings.encoders]
    for entry in entries:
        entry.fetch_weights(settings.models)
    encoders = [entry.load(entry.spec, settings.models) for entry in entries]
    with tempfile.TemporaryDirectory() as folder:
        music = render_catalogue(Path(folder), arguments.tracks, seconds=arguments.seconds).parent
        files = sorted(path for path in music.iterdir() if path.suffix != ".csv")
        embed(files[:2], encoders, settings)  # the first ones also load libraries
        apart = sum(embed(files, [encoder], settings) for encoder in encoders)
        together = embed(files, encoders, settings)
    saved = 1 - together / apart
    print(f"{arguments.encoders}: one after the other {apart:.1f} s, at once {together:.1f} s: {saved:.0%} saved")
    record_figures("one_decode", {"saved": Figure(100 * saved, "% of the time", True)})


def embed(files: list[Path], encoders: Sequence[Encoder], settings: Settings) -> float:
    """Return the seconds that the encoders take for these files."""
    started = time.perf_counter()
    for path in files:
        outcomes = embed_track(TrackToEmbed(path.name, str(path), ""), encoders, settings)
        assert all(outcome.outcome == "embedded" for outcome in outcomes), outcomes
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
