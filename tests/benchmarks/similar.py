"""`make bench`: all neighbours of a catalogue, against the bare matrix products.

python -m tests.benchmarks.similar [--tracks 50000] [--dim 512] [--k 100]

The limit is the time that the processor's cores take for the same multiplications alone: the products of the same
blocks, measured before and after, with the faster of numpy and torch. The files are written and read back.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import lance
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from flows.export.export import ExportRequest, write_export
from flows.export.neighbours import BLOCK_ROWS
from lake.catalogue.encoders import register_encoder
from lake.releases.publish import draft, publish
from lake.releases.releases import take_snapshot
from lake.storage.lake import STORAGE_VERSION, Lake
from schemas.embeddings import embeddings_schema
from schemas.encoders import BackboneSpec, EncoderSpec, HeadSpec
from schemas.settings import S3Settings, Settings
from schemas.tables import embeddings_table
from schemas.tracks import TRACKS
from tests.benchmarks.figures import Figure, record_figures
from tests.cli import environment
from tests.lake.rows import SPEC

PRODUCTS = 12
# One process for each core, with one thread, like Ray's workers.
LIMIT = """
import sys, time
import numpy as np, torch
torch.set_num_threads(1)
rows, dim, products = map(int, sys.argv[1:])
matrix = np.random.default_rng(0).standard_normal((rows, dim)).astype(np.float32)
tensor = torch.from_numpy(matrix)
best = 1e9
for product in (lambda: matrix @ matrix.T, lambda: tensor @ tensor.T):
    product()
    started = time.perf_counter()
    for _ in range(products):
        product()
    best = min(best, (time.perf_counter() - started) / products)
print(best)
"""


def main() -> None:
    """Make a lake, time the export of neighbours and the products, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("tracks", 50_000), ("dim", 512), ("k", 100)):
        parser.add_argument(f"--{name}", type=int, default=default)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        lake = make_lake(f"{folder}/lake", arguments.tracks, arguments.dim)
        before, cores = time_product(arguments.dim), os.cpu_count() or 1
        started = time.perf_counter()
        request = ExportRequest(f"{folder}/near", format="neighbours", k=arguments.k)
        write_export(request, Settings(lake=lake.uri), print)
        wall = time.perf_counter() - started
        after = time_product(arguments.dim)
        parts = Path(folder, "near").glob("part-*.parquet")
        assert sum(pq.read_metadata(part).num_rows for part in parts) == arguments.tracks
    blocks = arguments.tracks / BLOCK_ROWS
    ideal = blocks * blocks * (before + after) / 2 / cores
    rate = 2 * arguments.tracks**2 * arguments.dim / wall / 1e9
    print(
        f"{arguments.tracks:,} tracks x {arguments.dim}, {arguments.k} neighbours: {wall:.1f} s, {rate:.0f} GFLOP/s "
        f"on {cores} cores; the products alone {ideal:.1f} s ({before * 1e3:.0f} and {after * 1e3:.0f} ms each): "
        f"{ideal / wall:.0%} of the limit"
    )
    record_figures(
        "neighbours",
        {"seconds": Figure(wall, "s"), "share": Figure(100 * ideal / wall, "% of the products alone", True)},
    )


def time_product(dim: int) -> float:
    """Return the seconds of a product of two blocks on one core, all cores busy."""
    command = [sys.executable, "-c", LIMIT, str(BLOCK_ROWS), str(dim), str(PRODUCTS)]
    one_thread = environment(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, env=one_thread) for _ in range(os.cpu_count() or 1)]
    return float(np.mean([float(process.communicate()[0]) for process in running]))


def make_lake(uri: str, tracks: int, dim: int) -> Lake:
    """Make a lake with a release of synthetic rows.

    A row has `dim` numbers, twenty tags and a few words.
    """
    lake = Lake.at(uri, S3Settings())
    spec = EncoderSpec(
        "synthetic", "MIT", "", BackboneSpec("0" * 64, SPEC.backbone.windows, "", "", dim), HeadSpec("", dim)
    )
    lake.require_current_format()  # gives the new lake its format number, without which no release is published
    register_encoder(lake, spec)
    for name, schema in (("tracks", TRACKS), (embeddings_table(spec), embeddings_schema(spec))):
        lake.open_or_create(name, schema)
    random, schema = np.random.default_rng(0), embeddings_schema(spec)
    tags = [{"name": f"tag-{number}", "score": number / 20} for number in range(20)]
    for start in range(0, tracks, 1 << 14):
        ids = [f"{number:032x}" for number in range(start, min(tracks, start + (1 << 14)))]
        vectors = random.standard_normal((len(ids), dim)).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        arrays = {
            "track_id": pa.array(ids),
            "vector": pa.FixedSizeListArray.from_arrays(vectors.ravel(), dim),
            "title": pa.array([f"Title {name}" for name in ids]),
            "tags": pa.array([tags] * len(ids), schema.field("tags").type),
        }
        columns = [arrays.get(field.name, pa.nulls(len(ids), field.type)) for field in schema]
        rows = pa.table(columns, schema=schema)
        lance.write_dataset(
            rows, lake.table_uri(embeddings_table(spec)), mode="append", data_storage_version=STORAGE_VERSION
        )
    publish(lake, draft(None, take_snapshot(lake, spec), "run", "index"), print)
    return lake


if __name__ == "__main__":
    main()
