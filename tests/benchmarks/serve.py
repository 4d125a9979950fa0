"""`make bench`: the service over 100,000 tracks, from a request to its answer.

python -m tests.benchmarks.serve [--tracks 100000] [--seconds 60] [--work FOLDER]

The vectors are those of clustered_vectors.py, said to be of the default encoder, so that a text goes through its text
tower. The lake keeps no windows: hits name no moment. The service is a process of its own, asked over the loopback.
"""

import argparse
import http.client
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import numpy as np
import psutil

from tests.benchmarks.figures import Figure, record_figures
from tests.benchmarks.rates import print_table
from tests.benchmarks.search import make_once
from tests.cli import COMMAND, environment
from workers.encoders.registry import ENCODERS

PEOPLE, PAUSE_SECONDS = 50, 2.0
MOODS = "slow fast gentle heavy dark bright lazy nervous warm cold".split()
SOUNDS = "piano guitar drums choir strings synthesizer flute bass organ violin".split()
PLACES = ["at night", "in a church", "by the sea", "on the road", "from the eighties", "without vocals"]
TEXTS = [" ".join(words) for words in product(MOODS, SOUNDS, PLACES)]
SEARCHES, FACETS = 200, 20


@dataclass(frozen=True, slots=True)
class Service:
    """A running service: its address, its process, and the seconds from its start to its first answer."""

    address: str
    process: psutil.Process
    start_seconds: float


def main() -> None:
    """Make the lake, measure, and print tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tracks", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--work", type=Path, help="a folder that keeps the lake for the next run")
    arguments = parser.parse_args()
    spec = ENCODERS["musicnn"].spec
    with tempfile.TemporaryDirectory() as temporary:
        uri = f"{arguments.work or temporary}/serve-{arguments.tracks}"
        make_once(uri, arguments.tracks, spec.head.dim, spec)
        with serving(uri) as service:
            figures = measure_one(service) | measure_people(service, arguments.seconds)
    record_figures("serve", figures | {"start": Figure(service.start_seconds, "s")})


@contextmanager
def serving(uri: str) -> Iterator[Service]:
    """Start the service and ask it once."""
    started = time.perf_counter()
    command = [*COMMAND, "--lake", uri, "serve", "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment())
    try:
        assert process.stdout is not None
        address = process.stdout.readline().split()[-1]
        ask(connect(address), search("music"))
        yield Service(address, psutil.Process(process.pid), time.perf_counter() - started)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def measure_one(service: Service) -> dict[str, Figure]:
    """Return the figures of one person who asks without a pause, and print them."""
    connection = connect(service.address)
    paths = {
        "text": [search(text) for text in TEXTS[:SEARCHES]],
        "filtered": [search(text, year="1990-1999") for text in TEXTS[:SEARCHES]],
        "facets": [f"/api/v1/facets?year={1960 + number}-2019" for number in range(FACETS)],
    }
    rows, figures = [], {}
    for name, addresses in paths.items():
        ask(connection, addresses[0])
        before = service.process.cpu_times()
        took = [ask(connection, address) for address in addresses]
        after = service.process.cpu_times()
        cpu = 1e3 * (after.user + after.system - before.user - before.system) / len(addresses)
        p50, p95 = np.percentile(took, [50, 95]) * 1e3
        figures |= {
            f"{name}_p50": Figure(p50, "ms"),
            f"{name}_p95": Figure(p95, "ms"),
            f"{name}_cpu": Figure(cpu, "ms"),
        }
        rows.append([name, f"{p50:.0f}", f"{p95:.0f}", f"{cpu:.0f}"])
    print_table(
        f"one person; load {os.getloadavg()[0]:.1f}", ["question", "p50 ms", "p95 ms", "of the processor, ms"], rows
    )
    print(f"start to first answer: {service.start_seconds:.1f} s")
    return figures


def measure_people(service: Service, seconds: float) -> dict[str, Figure]:
    """Return the figures of 50 people, each with a request every 2 s, and print them."""
    took: list[float] = []
    errors: list[str] = []
    end = time.perf_counter() + seconds

    def person(number: int) -> None:
        connection = connect(service.address)
        time.sleep(PAUSE_SECONDS * number / PEOPLE)
        turn = 0
        while (moment := time.perf_counter()) < end:
            try:
                took.append(ask(connection, search(TEXTS[(number * 37 + turn) % len(TEXTS)])))
            except (OSError, AssertionError, http.client.HTTPException) as error:
                errors.append(repr(error))
                connection = connect(service.address)
            turn += 1
            time.sleep(max(0.0, moment + PAUSE_SECONDS - time.perf_counter()))

    threads = [threading.Thread(target=person, args=(number,)) for number in range(PEOPLE)]
    for thread in threads:
        thread.start()
    time.sleep(min(10.0, seconds / 2))
    early = service.process.memory_info().rss
    for thread in threads:
        thread.join()
    late = service.process.memory_info().rss
    p50, p95 = np.percentile(took, [50, 95]) * 1e3
    growth = 100 * (late / early - 1)
    load = os.getloadavg()[0]
    print(
        f"{PEOPLE} people, {seconds:.0f} s: {len(took):,} answers, {len(errors)} errors, p50 {p50:.0f} ms, "
        f"p95 {p95:.0f} ms; memory {early / 1e6:.0f} -> {late / 1e6:.0f} MB ({growth:+.1f} %); load {load:.1f}"
    )
    print("\n".join(errors[:3]))
    return {
        "people_p50": Figure(p50, "ms"),
        "people_p95": Figure(p95, "ms"),
        "people_errors": Figure(len(errors), "errors"),
        "memory": Figure(late / 1e6, "MB"),
        "memory_growth": Figure(growth, "%"),
        "load": Figure(load, ""),
    }


def search(text: str, **filters: str) -> str:
    """Return the path and parameters of a search."""
    return "/api/v1/search?" + urlencode({"text": text} | filters)


def connect(address: str) -> http.client.HTTPConnection:
    """Return a connection that stays open."""
    return http.client.HTTPConnection(urlsplit(address).netloc, timeout=60)


def ask(connection: http.client.HTTPConnection, path: str) -> float:
    """Ask, read the answer, and return the seconds that it took."""
    started = time.perf_counter()
    connection.request("GET", path)
    answer = connection.getresponse()
    body = answer.read()
    took = time.perf_counter() - started
    assert answer.status == 200, body[:300]
    assert json.loads(body).get("hits", [True]), path
    return took


if __name__ == "__main__":
    sys.exit(main())
