"""`make bench`: an export of a release, beside reading the whole table and writing one Parquet file from memory.

python -m tests.benchmarks.export [--tracks 200000] [--dim 512]

The plain way needs the memory of the whole catalogue, and knows neither parts nor checksums. Each runs in a process of
its own, twice, the second time counts: by then the table is in the page cache for both.
"""

import argparse
import tempfile

from tests.benchmarks.similar import made_lake
from tests.memory import run

OURS = """
import shutil, sys, time
from flows.export.export import ExportRequest, export
from schemas.settings import Settings
for _ in range(2):
    shutil.rmtree(sys.argv[2], ignore_errors=True)
    started = time.perf_counter()
    export(ExportRequest(sys.argv[2]), Settings(lake=sys.argv[1]), lambda _: None)
print(int(1000 * (time.perf_counter() - started)), peak())
"""
PLAIN = """
import glob, sys, time
import lance, pyarrow.parquet as pq
(table,) = glob.glob(sys.argv[1] + "/embeddings__*.lance")
for _ in range(2):
    started = time.perf_counter()
    pq.write_table(lance.dataset(table).to_table(), sys.argv[2], compression="zstd", row_group_size=1 << 15)
print(int(1000 * (time.perf_counter() - started)), peak())
"""
SINCE = OURS.replace("ExportRequest(sys.argv[2])", "ExportRequest(sys.argv[2], since=1)")


def main() -> None:
    """Makes a lake, exports it all three ways and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tracks", type=int, default=200_000)
    parser.add_argument("--dim", type=int, default=512)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = made_lake(f"{folder}/lake", asked.tracks, asked.dim)
        ours, our_peak = run(OURS, home.uri, f"{folder}/export")
        plain, plain_peak = run(PLAIN, home.uri, f"{folder}/plain.parquet")
        nothing, _ = run(SINCE, home.uri, f"{folder}/since")
    print(
        f"{asked.tracks:,} tracks x {asked.dim}: export {ours / 1e3:.1f} s and {our_peak:,} MB, the plain way "
        f"{plain / 1e3:.1f} s and {plain_peak:,} MB: {plain / ours:.0%} of its speed; an increment of nothing "
        f"{nothing / 1e3:.1f} s"
    )


if __name__ == "__main__":
    main()
