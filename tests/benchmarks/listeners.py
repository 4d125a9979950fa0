"""The figures of docs/recommend.md: playlists of SYNTHETIC listeners of the rendered catalogue.

python -m tests.benchmarks.listeners FOLDER

Renders 1,200 pieces of 10 s, 20 of each of 60 kinds, indexes them with the default encoder, draws 2,000 listeners and
evaluates. A listener likes two to four kinds with unequal weights, plays one track in ten from any kind, and within a
kind some tracks more often than others. The figures show whether the code recovers these tastes, and nothing about
real people.
"""

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv

from flows.demo import run_tonelake
from lake.storage.lake import Lake
from schemas.settings import S3Settings
from workers.synthetic_music.demo.catalogue import render_catalogue

LISTENERS, RANDOM_PLAYS = 2000, 0.1


def main(folder: Path) -> None:
    """Render, index, draw the listeners and evaluate; existing files are kept."""
    manifest = render_catalogue(folder / "music", count=1200, seconds=10)
    lake_option = f"--lake={folder / 'lake'}"
    run_tonelake(lake_option, "index", str(manifest))
    plays = folder / "synthetic-listeners.csv"
    pyarrow.csv.write_csv(draw_plays(tracks_by_kind(Lake.at(str(folder / "lake"), S3Settings()))), plays)
    run_tonelake(lake_option, "playlists", "--interactions", str(plays))


def tracks_by_kind(lake: Lake) -> dict[str, list[str]]:
    """Return the track_ids of each kind; the file names contain the kind."""
    tracks: dict[str, list[str]] = {}
    rows = lake.table("tracks").to_table(columns=["track_id", "uri"]).sort_by("uri").to_pylist()
    for row in rows:
        tracks.setdefault(Path(row["uri"]).stem.split("-", 1)[1], []).append(row["track_id"])
    return tracks


def draw_plays(kinds: dict[str, list[str]]) -> pa.Table:
    """Return synthetic plays: user_id, track_id and timestamp."""
    rng, names = np.random.default_rng(0), sorted(kinds)
    track_weights = {name: 1 / np.sqrt(1 + rng.permutation(len(kinds[name]))) for name in names}
    rows = []
    for user in range(LISTENERS):
        liked = rng.choice(len(names), rng.integers(2, 5), replace=False)
        weights = rng.dirichlet(np.full(len(liked), 2.0))
        for time in range(rng.integers(10, 45)):
            name = names[rng.integers(len(names)) if rng.random() < RANDOM_PLAYS else rng.choice(liked, p=weights)]
            track = rng.choice(kinds[name], p=track_weights[name] / track_weights[name].sum())
            rows.append({"user_id": f"u{user:04}", "track_id": str(track), "timestamp": time})
    return pa.Table.from_pylist(rows)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
