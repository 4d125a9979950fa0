"""`make bench`: all neighbours of a catalogue, beside the matrix product that they are made of.

python -m tests.benchmarks.similar [--tracks 50000] [--dim 512] [--k 100]

The limit is the time that the processor's cores take for the same multiplications and nothing else: the products of
the same blocks, measured before and after, in the better of numpy and torch. The file is written and read back.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time

import lance
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from flows.export.neighbours import BLOCK_ROWS, Neighbours, similar
from lake.catalogue.encoders import remember
from lake.releases.releases import draft, publish, snapshot
from lake.storage.lake import STORAGE_VERSION, Lake
from schemas.embeddings import embeddings_schema
from schemas.encoders import BackboneSpec, EncoderSpec, HeadSpec
from schemas.settings import S3Settings, Settings
from schemas.tables import embeddings_table
from schemas.tracks import TRACKS
from tests.cli import environment
from tests.lake.rows import SPEC

PRODUCTS = 12
# One process a core and one thread each, as Ray's workers are.
LIMIT = """
import sys, time
import numpy as np, torch
torch.set_num_threads(1)
rows, dim, products = map(int, sys.argv[1:])
one = np.random.default_rng(0).standard_normal((rows, dim)).astype(np.float32)
other = torch.from_numpy(one)
best = 1e9
for product in (lambda: one @ one.T, lambda: other @ other.T):
    product()
    started = time.perf_counter()
    for _ in range(products):
        product()
    best = min(best, (time.perf_counter() - started) / products)
print(best)
"""


def main() -> None:
    """Makes a lake, times `similar` and the products, and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("tracks", 50_000), ("dim", 512), ("k", 100)):
        parser.add_argument(f"--{name}", type=int, default=default)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = made_lake(f"{folder}/lake", asked.tracks, asked.dim)
        before, cores = limit(asked.dim), os.cpu_count() or 1
        started = time.perf_counter()
        similar(Neighbours(f"{folder}/near.parquet", asked.k), Settings(lake=home.uri), print)
        wall = time.perf_counter() - started
        after = limit(asked.dim)
        assert pq.read_metadata(f"{folder}/near.parquet").num_rows == asked.tracks
    blocks = asked.tracks / BLOCK_ROWS
    ideal = blocks * blocks * (before + after) / 2 / cores
    rate = 2 * asked.tracks**2 * asked.dim / wall / 1e9
    print(
        f"{asked.tracks:,} tracks x {asked.dim}, {asked.k} neighbours: {wall:.1f} s, {rate:.0f} GFLOP/s on {cores} "
        f"cores; the products alone {ideal:.1f} s ({before * 1e3:.0f} and {after * 1e3:.0f} ms each): "
        f"{ideal / wall:.0%} of the limit"
    )


def limit(dim: int) -> float:
    """Seconds of one product of two blocks on one core while every core is at it."""
    command = [sys.executable, "-c", LIMIT, str(BLOCK_ROWS), str(dim), str(PRODUCTS)]
    alone = environment(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, env=alone) for _ in range(os.cpu_count() or 1)]
    return float(np.mean([float(process.communicate()[0]) for process in running]))


def made_lake(uri: str, tracks: int, dim: int) -> Lake:
    """A release of made-up rows: `dim` numbers, twenty tags and a few words each."""
    home = Lake.at(uri, S3Settings())
    spec = EncoderSpec(
        "made-up", "MIT", "", BackboneSpec("0" * 64, SPEC.backbone.windows, "", "", dim), HeadSpec("", dim)
    )
    remember(home, spec)
    for name, schema in (("tracks", TRACKS), (embeddings_table(spec), embeddings_schema(spec))):
        home.ensure(name, schema)
    random, schema = np.random.default_rng(0), embeddings_schema(spec)
    tags = [{"name": f"tag-{number}", "score": number / 20} for number in range(20)]
    for start in range(0, tracks, 1 << 14):
        ids = [f"{number:032x}" for number in range(start, min(tracks, start + (1 << 14)))]
        vectors = random.standard_normal((len(ids), dim)).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        made = {
            "track_id": pa.array(ids),
            "vector": pa.FixedSizeListArray.from_arrays(vectors.ravel(), dim),
            "title": pa.array([f"Title {name}" for name in ids]),
            "tags": pa.array([tags] * len(ids), schema.field("tags").type),
        }
        columns = [made.get(field.name, pa.nulls(len(ids), field.type)) for field in schema]
        rows = pa.table(columns, schema=schema)
        lance.write_dataset(
            rows, home.uri_of(embeddings_table(spec)), mode="append", data_storage_version=STORAGE_VERSION
        )
    publish(home, draft(None, snapshot(home, spec), "run", "index"), print)
    return home


if __name__ == "__main__":
    main()
