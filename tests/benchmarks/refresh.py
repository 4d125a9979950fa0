"""`make bench`: a refresh of a million tracks that finds nothing to do.

python -m tests.benchmarks.refresh [--tracks 1000000] [--source folder]

The files are empty and the rows are made up and written straight into the tables; then the command runs as anybody
runs it, in a process of its own, and is asked for its seconds and its peak memory. Listing the source is told apart:
it is the disk's or the store's time. `--source manifest` lists a manifest with titles instead of the folder.
"""

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import lance
import numpy as np
import pyarrow as pa

from lake.catalogue.encoders import remember
from lake.catalogue.sources import remember_sources
from lake.embeddings.indexes import tend
from lake.sources.listing import list_source
from lake.storage.lake import STORAGE_VERSION, Lake
from schemas.embeddings import embeddings_schema
from schemas.settings import S3Settings
from schemas.tables import embeddings_table
from tests.cli import environment
from tests.memory import PEAK
from workers.encoders.fake import SPEC

FOLDER_FILES = 1000
RUN = f"""{PEAK}
import sys
sys.argv = ["tonelake", *sys.argv[1:]]
from flows.cli.main import app
try: app()
except SystemExit as end: assert not end.code, end.code
print(peak())
"""


def main() -> None:
    """Makes the lake, runs the refresh and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tracks", type=int, default=1_000_000)
    parser.add_argument("--source", choices=["folder", "manifest"], default="folder")
    parser.add_argument("--runs", type=int, default=2)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        source = make_files(Path(folder) / "music", asked.tracks, manifest=asked.source == "manifest")
        make_lake(Lake.at(f"{folder}/lake", S3Settings()), str(source))
        for _ in range(asked.runs):
            print(measured(Path(folder) / "lake"))


def make_files(folder: Path, tracks: int, *, manifest: bool) -> Path:
    """Empty files, a thousand a folder; returns what to list."""
    rows = []
    for number in range(tracks):
        path = folder / f"album-{number // FOLDER_FILES:05d}" / f"track-{number:07d}.flac"
        if number % FOLDER_FILES == 0:
            path.parent.mkdir(parents=True)
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY))
        rows.append(
            (
                str(path.relative_to(folder)),
                f"Title {number}",
                f"Artist {number // 20}",
                "rock;pop",
                1960 + number % 60,
            )
        )
    if not manifest:
        return folder
    with (folder / "manifest.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("uri", "title", "artist", "genres", "year"), *rows])
    return folder / "manifest.csv"


def make_lake(lake: Lake, source: str) -> None:
    """Registry and embedded rows of everything the source lists."""
    listing = list_source(source, lake.s3)
    remember(lake, SPEC)
    remember_sources(lake, listing.found, listed=True)
    write = {"data_storage_version": STORAGE_VERSION}
    lance.write_dataset(listing.tracks, lake.uri_of("tracks"), **write)
    rng, schema = np.random.default_rng(0), embeddings_schema(SPEC)
    for start in range(0, len(listing.tracks), 1 << 16):
        rows = listing.tracks.slice(start, 1 << 16)
        vectors = rng.standard_normal((len(rows), SPEC.head.dim), np.float32)
        flat = pa.array((vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).ravel())
        made = {
            "vector": pa.FixedSizeListArray.from_arrays(flat, SPEC.head.dim),
            "content_sha256": pa.array([f"{number:064x}" for number in range(start, start + len(rows))]),
            "tags_version": pa.repeat(SPEC.tags_version, len(rows)),
            "tag_names": pa.repeat(pa.scalar(["loud"]), len(rows)),
        }
        columns = [
            made.get(
                field.name, rows[field.name] if field.name in rows.column_names else pa.nulls(len(rows), field.type)
            )
            for field in schema
        ]
        lance.write_dataset(
            pa.table(columns, schema=schema), lake.uri_of(embeddings_table(SPEC)), mode="append", **write
        )
    for _ in range(2):  # the first one builds the indexes, which the next would otherwise merge
        tend(lake, SPEC)


def measured(lake: Path) -> str:
    """One run of the command."""
    started = time.perf_counter()
    command = [sys.executable, "-c", RUN, "--lake", str(lake), "--json", "refresh"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment(), check=True)
    wall = time.perf_counter() - started
    report, peak = done.stdout.splitlines()
    told = json.loads(report)
    (counts,) = told["encoders"]
    assert (counts["embedded"], counts["embedded_now"]) == (told["listed"], 0), counts
    return (
        f"{told['listed']:,} tracks, nothing to do: {wall:.1f} s, of these listing {told['listing_seconds']:.1f} s "
        f"and planning {wall - told['listing_seconds']:.1f} s; peak {int(peak) / 1024:.2f} GB"
    )


if __name__ == "__main__":
    main()
