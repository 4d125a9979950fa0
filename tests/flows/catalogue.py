"""A small catalogue that changes, indexed and refreshed without Ray; it records which files are decoded."""

import csv
import os
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from flows.console.progress import ProgressReporter
from flows.ingest import embed
from flows.ingest.index import index_catalogue
from flows.ingest.refresh import RefreshRequest, refresh
from flows.ingest.report import IndexRequest
from lake.storage.lake import Lake
from schemas.settings import S3Settings, Settings
from schemas.tables import embeddings_table, vanished_table
from tests.audio_files import sndfile
from workers import executors
from workers.embedding.outcomes import unpack
from workers.embedding.stages import FusedStage
from workers.encoders.fake import SPEC

NAMES = [f"{letter}.wav" for letter in "abcdefghij"]


def run_in_process(decoded, monkeypatch, block_tracks=1024):
    """Run the real stage in this process, on blocks of so many tracks.

    The names of decoded files are appended to `decoded`.
    """
    for module in (embed, executors):
        monkeypatch.setattr(module, "choose_executor", lambda *_: _ThisProcess(decoded, block_tracks))


@dataclass(frozen=True)
class _ThisProcess:
    """An executor that computes in the process that asks."""

    decoded: list[str]
    block_tracks: int

    def reserved_resources(self, *_):
        return 1, 0

    def embed(self, tracks, specs, settings):
        self.decoded.extend(sorted(os.path.basename(uri) for uri in tracks["uri"].to_pylist()))
        stage = FusedStage(specs, settings)
        for start in range(0, len(tracks), self.block_tracks):
            yield from unpack(stage(tracks.slice(start, self.block_tracks)), specs)


def write_sound(path: Path, seed: int, seconds: int = 2) -> None:
    """Write noise; every seed is another sound, and all files of one length have one size."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = 0.3 * np.random.default_rng(seed).standard_normal((1, 16_000 * seconds))
    path.write_bytes(sndfile(noise.astype(np.float32), rate=16_000))


@dataclass
class ChangingCatalogue:
    """Ten sounds below `music`, and the lake at `uri`; `decoded` are the files decoded since the last refresh."""

    music: Path
    uri: str
    decoded: list[str] = field(default_factory=list)

    def __post_init__(self):
        for seed, name in enumerate(NAMES):
            write_sound(self.music / name, seed)

    @property
    def lake(self):
        return Lake.at(self.uri, S3Settings())

    def index(self, source=None, max_windows=None, encoder="fake"):
        request = IndexRequest((str(source or self.music),), max_windows)
        return index_catalogue(request, Settings(lake=self.uri, encoder=encoder), ProgressReporter())[0]

    def refresh(self, *accept, **options):
        del self.decoded[:]
        request = RefreshRequest(tuple(map(str, accept)))
        report = refresh(request, Settings(lake=self.uri, **options), ProgressReporter())
        for encoder in report.encoders:
            counts = encoder.coverage
            assert counts.expected == counts.embedded + counts.quarantined + counts.pending
        return report

    def rows(self, spec=SPEC, columns=None):
        """Return the rows that a search reads, by file name."""
        files = {row["track_id"]: os.path.basename(row["uri"]) for row in self.registry().values()}
        rows = self.lake.table(embeddings_table(spec)).to_table(columns=columns).to_pylist()
        return {files[row["track_id"]]: row for row in rows}

    def count_vanished_rows(self, spec=SPEC):
        """Return the number of rows that are kept outside the search."""
        name = vanished_table(spec)
        return self.lake.table(name).count_rows() if name in self.lake.table_names() else 0

    def registry(self):
        """Return the rows of `tracks`, by track_id."""
        rows = self.lake.table("tracks").to_table().sort_by("track_id").to_pylist()
        return {row["track_id"]: row for row in rows}

    def states(self):
        """Return the state of each track, by file name."""
        return {os.path.basename(row["uri"]): row["state"] for row in self.registry().values()}

    def manifest(self, files=None, **titles):
        """Write a manifest with the ids and titles of all ten tracks; `files` renames the files of some."""
        with (self.music / "manifest.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["track_id", "uri", "title", "genres"])
            for name in NAMES:
                stem = name[0]
                uri = (files or {}).get(stem, name)
                writer.writerow([f"id-{stem}", uri, titles.get(stem, f"Title {stem}"), "rock;pop"])
        return self.music / "manifest.csv"


def nonzero_changes(report):
    """Return the counts of changes that are not zero, of a RefreshReport or of its JSON."""
    counts = report if isinstance(report, dict) else report.to_json()
    names = ("new", "changed", "touched", "moved", "returned", "vanished", "described", "hashed")
    return {name: counts[name] for name in names if counts[name]}
