"""`make bench`: the requests to S3 of an index of 1,000 files, and of a refresh with nothing to do.

python -m tests.benchmarks.requests [--tracks 1000]

A proxy before SeaweedFS counts them. The files are short noise, embedded by the fake encoder in this process, so that
the seconds are those of the lake.
"""

import argparse
import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from flows.console.progress import ProgressReporter
from flows.ingest.index import index_catalogue
from flows.ingest.refresh import RefreshRequest, refresh
from flows.ingest.report import IndexRequest
from schemas.settings import Settings
from tests.benchmarks.figures import Figure, record_figures
from tests.fault_proxy import FaultProxy
from tests.flows.catalogue import run_in_process, write_sound
from tests.seaweed import BUCKET, Seaweed


class CountingProxy(FaultProxy):
    """Counts requests by their kind, and forwards them."""

    def choose_fault(self, request: str) -> str:
        """Count a request; there is no fault."""
        method, path = request.split(" ", 1)
        with self._lock:
            self.counts["LIST" if method == "GET" and "list-type=" in path else method] += 1
        return ""


def main() -> None:
    """Index, refresh twice, and print the requests of each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tracks", type=int, default=1000)
    tracks = parser.parse_args().tracks
    with tempfile.TemporaryDirectory() as folder, Seaweed(Path(folder) / "store") as store:
        music = Path(folder) / "music"
        for number in range(tracks):
            write_sound(music / f"{number:05}.wav", number)
        with CountingProxy(store.endpoint) as proxy, pytest.MonkeyPatch.context() as patches:
            run_in_process([], patches)
            os.environ |= store.environment() | {"AWS_ENDPOINT_URL": proxy.endpoint}
            settings = Settings(lake=f"s3://{BUCKET}/requests", encoder="fake")
            figures = measure(
                f"index of {tracks:,} files",
                "index",
                proxy,
                lambda: index_catalogue(IndexRequest((str(music),)), settings, ProgressReporter()),
            )
            for _ in range(2):  # the first one still registers the source as listed
                figures |= measure(
                    "refresh with nothing to do",
                    "refresh",
                    proxy,
                    lambda: refresh(RefreshRequest(), settings, ProgressReporter()),
                )
    record_figures("requests", figures)


def measure(title: str, name: str, proxy: CountingProxy, command: Callable[[], object]) -> dict[str, Figure]:
    """Run a command; print and return its requests and seconds."""
    proxy.counts = Counter()
    started = time.monotonic()
    command()
    seconds = time.monotonic() - started
    kinds = ", ".join(f"{kind} {count}" for kind, count in sorted(proxy.counts.items()))
    print(f"{title}: {sum(proxy.counts.values())} requests ({kinds}), {seconds:.1f} s")
    return {
        name: Figure(sum(proxy.counts.values()), "requests"),
        f"{name}_lists": Figure(proxy.counts["LIST"], "requests"),
        f"{name}_seconds": Figure(seconds, "s"),
    }


if __name__ == "__main__":
    main()
