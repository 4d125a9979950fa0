"""A small catalogue that changes, indexed and refreshed without Ray: what is decoded is written down."""

import csv
import os
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from flows.console.progress import Watch
from flows.ingest.index import index_catalogue
from flows.ingest.refresh import RefreshRequest, refresh
from flows.ingest.report import IndexRequest
from lake.storage.lake import Lake
from schemas.settings import S3Settings, Settings
from schemas.tables import embeddings_table, vanished_table
from tests.audio_files import sndfile
from workers.distributed import cluster as stages
from workers.embedding.outcomes import unpacked
from workers.embedding.stages import FusedStage
from workers.encoders.fake import SPEC

NAMES = [f"{letter}.wav" for letter in "abcdefghij"]


def here(decoded, monkeypatch):
    """Puts the real stage in place of Ray's: in this process, with the names of the files it hears."""

    def embed(tracks, specs, settings):
        decoded.extend(sorted(os.path.basename(uri) for uri in tracks["uri"].to_pylist()))
        yield from unpacked(FusedStage(specs, settings)(tracks), specs)

    monkeypatch.setattr(stages, "embed", embed)
    monkeypatch.setattr(stages, "start_ray", lambda _: None)
    monkeypatch.setattr(stages, "held", lambda *_: (1, 0))


def write_sound(path: Path, seed: int) -> None:
    """Two seconds of noise; every seed is another sound, all of one size."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = 0.3 * np.random.default_rng(seed).standard_normal((1, 32_000))
    path.write_bytes(sndfile(noise.astype(np.float32), rate=16_000))


@dataclass
class Catalogue:
    """Ten sounds below `music`, and the lake at `uri`; `decoded` are the files that were heard since last asked."""

    music: Path
    uri: str
    decoded: list[str] = field(default_factory=list)

    def __post_init__(self):
        for seed, name in enumerate(NAMES):
            write_sound(self.music / name, seed)

    @property
    def lake(self):
        return Lake.at(self.uri, S3Settings())

    def index(self, source=None, windows=None, encoder="fake"):
        request = IndexRequest((str(source or self.music),), windows)
        return index_catalogue(request, Settings(lake=self.uri, encoder=encoder), Watch())[0]

    def refresh(self, *accept, **settings):
        del self.decoded[:]
        found = refresh(RefreshRequest(tuple(map(str, accept))), Settings(lake=self.uri, **settings), Watch())
        for counts in found["encoders"]:
            assert counts["expected"] == counts["embedded"] + counts["quarantined"] + counts["pending"]
        return found

    def rows(self, spec=SPEC, columns=None):
        """Rows in search, by the name of their file."""
        files = {row["track_id"]: os.path.basename(row["uri"]) for row in self.registry().values()}
        rows = self.lake.table(embeddings_table(spec)).to_table(columns=columns).to_pylist()
        return {files[row["track_id"]]: row for row in rows}

    def kept(self, spec=SPEC):
        """How many rows are kept beside the search."""
        name = vanished_table(spec)
        return self.lake.table(name).count_rows() if name in self.lake.names() else 0

    def registry(self):
        rows = self.lake.table("tracks").to_table().sort_by("track_id").to_pylist()
        return {row["track_id"]: row for row in rows}

    def states(self):
        """State of each track by its file's name."""
        return {os.path.basename(row["uri"]): row["state"] for row in self.registry().values()}

    def manifest(self, **titles):
        """A manifest with ids and titles of all ten; `places` of some may be another file."""
        places = titles.pop("places", {})
        with (self.music / "manifest.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["track_id", "uri", "title", "genres"])
            for name in NAMES:
                stem = name[0]
                writer.writerow([f"id-{stem}", places.get(stem, name), titles.get(stem, f"Title {stem}"), "rock;pop"])
        return self.music / "manifest.csv"


def changes(report):
    """The counts that are not zero."""
    names = ("new", "changed", "touched", "moved", "returned", "vanished", "described", "hashed")
    return {name: report[name] for name in names if report[name]}
