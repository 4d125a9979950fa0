"""The figures of docs/recommend.md: SYNTHETIC listeners of the rendered catalogue, playlists continued from its lake.

python -m tests.benchmarks.listeners FOLDER

Renders 1,200 pieces of 10 s, 20 of each of 60 kinds, indexes them with the default encoder, draws 2,000 listeners and
judges. A listener likes two to four kinds in unequal shares, plays one track in ten of any kind, and of each kind the
same few tracks more often than others. They tell whether the code finds what was put in, and nothing of people.
"""

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv

from flows.demo import _tonelake
from lake.storage.lake import Lake
from schemas.settings import S3Settings
from workers.synthetic_music.demo.catalogue import render_catalogue

LISTENERS, STRAY = 2000, 0.1


def main(folder: Path) -> None:
    """What is there already is kept."""
    manifest = render_catalogue(folder / "music", count=1200, seconds=10)
    at = f"--lake={folder / 'lake'}"
    _tonelake(at, "index", str(manifest))
    plays = folder / "synthetic-listeners.csv"
    pyarrow.csv.write_csv(synthetic(kinds_of(Lake.at(str(folder / "lake"), S3Settings()))), plays)
    _tonelake(at, "playlists", "--interactions", str(plays))


def kinds_of(lake: Lake) -> dict[str, list[str]]:
    """The track_ids of each kind, which the files are named by."""
    found: dict[str, list[str]] = {}
    rows = lake.table("tracks").to_table(columns=["track_id", "uri"]).sort_by("uri").to_pylist()
    for row in rows:
        found.setdefault(Path(row["uri"]).stem.split("-", 1)[1], []).append(row["track_id"])
    return found


def synthetic(kinds: dict[str, list[str]]) -> pa.Table:
    """Made-up plays: user_id, track_id and timestamp."""
    rng, names = np.random.default_rng(0), sorted(kinds)
    liking = {name: 1 / np.sqrt(1 + rng.permutation(len(kinds[name]))) for name in names}
    rows = []
    for user in range(LISTENERS):
        liked = rng.choice(len(names), rng.integers(2, 5), replace=False)
        shares = rng.dirichlet(np.full(len(liked), 2.0))
        for time in range(rng.integers(10, 45)):
            name = names[rng.integers(len(names)) if rng.random() < STRAY else rng.choice(liked, p=shares)]
            track = rng.choice(kinds[name], p=liking[name] / liking[name].sum())
            rows.append({"user_id": f"u{user:04}", "track_id": str(track), "timestamp": time})
    return pa.Table.from_pylist(rows)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
