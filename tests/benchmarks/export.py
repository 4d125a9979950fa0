"""`make bench`: an export of a release, against writing the table as one Parquet file.

python -m tests.benchmarks.export [--tracks 200000] [--dim 512]

The plain way needs memory for the whole catalogue, and writes neither parts nor checksums. Each runs twice in a
process of its own, and the second time counts: by then the table is in the page cache for both.
"""

import argparse
import tempfile

from tests.benchmarks.figures import Figure, record_figures
from tests.benchmarks.similar import make_lake
from tests.memory import run_and_measure

EXPORT = """
import shutil, sys, time
from flows.export.export import ExportRequest, write_export
from schemas.settings import Settings
for _ in range(2):
    shutil.rmtree(sys.argv[2], ignore_errors=True)
    started = time.perf_counter()
    write_export(ExportRequest(sys.argv[2]), Settings(lake=sys.argv[1]), lambda _: None)
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
SINCE = EXPORT.replace("ExportRequest(sys.argv[2])", "ExportRequest(sys.argv[2], since=1)")


def main() -> None:
    """Make a lake, export it in all three ways and print the times."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tracks", type=int, default=200_000)
    parser.add_argument("--dim", type=int, default=512)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        lake = make_lake(f"{folder}/lake", arguments.tracks, arguments.dim)
        export, export_peak = run_and_measure(EXPORT, lake.uri, f"{folder}/export")
        plain, plain_peak = run_and_measure(PLAIN, lake.uri, f"{folder}/plain.parquet")
        increment, _ = run_and_measure(SINCE, lake.uri, f"{folder}/since")
    print(
        f"{arguments.tracks:,} tracks x {arguments.dim}: export {export / 1e3:.1f} s and {export_peak:,} MB, "
        f"the plain way {plain / 1e3:.1f} s and {plain_peak:,} MB: {plain / export:.0%} of its speed; "
        f"an empty increment {increment / 1e3:.1f} s"
    )
    record_figures(
        "export",
        {
            "seconds": Figure(export / 1e3, "s"),
            "peak": Figure(export_peak, "MB"),
            "plain_seconds": Figure(plain / 1e3, "s"),
            "plain_peak": Figure(plain_peak, "MB"),
            "share": Figure(100 * plain / export, "% of the plain way's speed", True),
            "empty_increment": Figure(increment / 1e3, "s"),
        },
    )


if __name__ == "__main__":
    main()
