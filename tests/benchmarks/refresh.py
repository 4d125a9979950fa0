"""`make bench`: a refresh of a million tracks that finds nothing to do.

python -m tests.benchmarks.refresh [--tracks 1000000] [--source folder]

The files are empty, and synthetic rows are written directly to the tables. The command then runs in a process of its
own, as users run it; its seconds and its peak memory are printed. The time of listing the source, which depends on the
disk or the store, is printed separately. `--source manifest` lists a manifest with titles instead of the folder.
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
from typing import Any

import lance
import numpy as np
import pyarrow as pa

from lake.catalogue.encoders import register_encoder
from lake.catalogue.sources import register_sources
from lake.embeddings.indexes import compact_and_index
from lake.sources.listing import list_source
from lake.storage.lake import STORAGE_VERSION, Lake
from schemas.embeddings import embeddings_schema
from schemas.settings import S3Settings
from schemas.tables import embeddings_table
from tests.benchmarks.figures import Figure, record_figures
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
    """Make the lake, run the refresh and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tracks", type=int, default=1_000_000)
    parser.add_argument("--source", choices=["folder", "manifest"], default="folder")
    parser.add_argument("--runs", type=int, default=2)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        source = make_files(Path(folder) / "music", arguments.tracks, manifest=arguments.source == "manifest")
        make_lake(Lake.at(f"{folder}/lake", S3Settings()), str(source))
        lake = Path(folder) / "lake"
        figures = [measure_refresh(lake) for _ in range(arguments.runs)][-1]
        for command in ("maintain", "doctor"):
            wall, peak, _ = run(lake, command)
            print(f"{command}: {wall:.1f} s, peak {peak:.2f} GB")
            figures |= {f"{command}_seconds": Figure(wall, "s"), f"{command}_peak": Figure(peak, "GB")}
    record_figures("million", figures)


def make_files(folder: Path, tracks: int, *, manifest: bool) -> Path:
    """Make empty files, a thousand in each folder, and return the source to list."""
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
    """Write registry and embedded rows of all tracks of the source."""
    listing = list_source(source, lake.s3)
    lake.require_current_format()
    register_encoder(lake, SPEC)
    register_sources(lake, listing.track_counts, listed=True)
    write = {"data_storage_version": STORAGE_VERSION}
    lance.write_dataset(listing.tracks, lake.table_uri("tracks"), **write)
    rng, schema = np.random.default_rng(0), embeddings_schema(SPEC)
    for start in range(0, len(listing.tracks), 1 << 16):
        rows = listing.tracks.slice(start, 1 << 16)
        vectors = rng.standard_normal((len(rows), SPEC.head.dim), np.float32)
        flat = pa.array((vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).ravel())
        arrays = {
            "vector": pa.FixedSizeListArray.from_arrays(flat, SPEC.head.dim),
            "content_sha256": pa.array([f"{number:064x}" for number in range(start, start + len(rows))]),
            "tags_version": pa.repeat(SPEC.tags_version, len(rows)),
            "tag_names": pa.repeat(pa.scalar(["loud"]), len(rows)),
        }
        columns = [
            arrays.get(
                field.name, rows[field.name] if field.name in rows.column_names else pa.nulls(len(rows), field.type)
            )
            for field in schema
        ]
        lance.write_dataset(
            pa.table(columns, schema=schema), lake.table_uri(embeddings_table(SPEC)), mode="append", **write
        )
    for _ in range(2):  # the first call builds the indexes, which a later one would otherwise merge
        compact_and_index(lake, SPEC)


def measure_refresh(lake: Path) -> dict[str, Figure]:
    """Run a refresh; print and return its seconds and memory."""
    wall, peak, report = run(lake, "refresh")
    (counts,) = report["encoders"]
    assert (counts["embedded"], counts["embedded_now"]) == (report["listed"], 0), counts
    listing = report["listing_seconds"]
    print(
        f"{report['listed']:,} tracks, nothing to do: {wall:.1f} s, of these listing {listing:.1f} s "
        f"and planning {wall - listing:.1f} s; peak {peak:.2f} GB"
    )
    return {
        "listing_seconds": Figure(listing, "s"),
        "planning_seconds": Figure(wall - listing, "s"),
        "refresh_peak": Figure(peak, "GB"),
    }


def run(lake: Path, *arguments: str) -> tuple[float, float, Any]:
    """Run a command in a process of its own; return its seconds, its peak memory in GB and what it printed."""
    started = time.perf_counter()
    command = [sys.executable, "-c", RUN, "--lake", str(lake), "--json", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=environment(), check=True)
    report, _, peak = done.stdout.rstrip().rpartition("\n")
    return time.perf_counter() - started, int(peak) / 1024, json.loads(report)


if __name__ == "__main__":
    main()
