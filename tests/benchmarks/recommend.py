"""`make bench`: recommendations for many listeners and for one, against a plain loop.

python -m tests.benchmarks.recommend [--tracks 50000] [--users 500]

Vectors are synthetic: 128 numbers, around 500 directions. Each listener played 40 tracks around three of them. The
limit for many listeners is the product that every exact answer needs: all interests with all vectors. The plain loop
has no interests: for each listener the mean vector, its product with all vectors, the twenty nearest. The limit for
one listener is a search for each interest.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import lance
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from flows.recommend.candidates import CandidateSet
from flows.recommend.recommend import recommend
from flows.recommend.recommend_to_all import recommend_to_all
from flows.search.version import resolve_version
from lake.catalogue.encoders import register_encoder
from lake.embeddings.indexes import compact_and_index
from lake.embeddings.search import search
from lake.storage.lake import STORAGE_VERSION, Lake
from schemas.embeddings import embeddings_schema
from schemas.recommend import RecommendRequest
from schemas.settings import S3Settings, Settings
from schemas.tables import embeddings_table
from tests.benchmarks.figures import Figure, record_figures
from tests.lake.rows import make_listing
from workers.encoders.fake import SPEC
from workers.metrics.neighbours import unit_rows

WIDE = replace(SPEC, head=replace(SPEC.head, dim=128))
DIRECTIONS, K = 500, 20


def main() -> None:
    """Make the lake and the listeners, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tracks", type=int, default=50_000)
    parser.add_argument("--users", type=int, default=500)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(lake=f"{folder}/lake", encoder=WIDE.name)
        make_lake(Lake.at(settings.lake, S3Settings()), arguments.tracks)
        plays = make_plays(Path(folder), arguments.tracks, arguments.users)
        print(f"{arguments.tracks:,} tracks, {arguments.users:,} listeners, {K} tracks each")
        figures = measure_many(settings, plays, Path(folder)) | measure_one(settings, Path(folder))
    record_figures("recommend", figures)


def make_lake(lake: Lake, tracks: int) -> None:
    """Write registry and embedded rows, with their indexes."""
    rng, schema = np.random.default_rng(0), embeddings_schema(WIDE)
    centres = rng.standard_normal((DIRECTIONS, 128))
    vectors = unit_rows(centres[np.arange(tracks) % DIRECTIONS] + 0.7 * rng.standard_normal((tracks, 128)))
    rows = make_listing([f"t{number:07}" for number in range(tracks)])
    arrays = {
        "track_id": rows["track_id"],
        "vector": pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), 128),
        "content_sha256": pa.array([f"{number:064x}" for number in range(tracks)]),
    }
    columns = [arrays.get(field.name, pa.nulls(tracks, field.type)) for field in schema]
    register_encoder(lake, WIDE)
    for name, table in (("tracks", rows), (embeddings_table(WIDE), pa.table(columns, schema=schema))):
        lance.write_dataset(table, lake.table_uri(name), data_storage_version=STORAGE_VERSION)
    compact_and_index(lake, WIDE)


def make_plays(folder: Path, tracks: int, users: int) -> str:
    """Write a file with 40 plays of each listener, and return its path.

    A listener plays three directions. Each of the first twenty listeners also gets a file of their own.
    """
    rng = np.random.default_rng(1)
    rows = []
    for user in range(users):
        liked = rng.choice(DIRECTIONS, 3, replace=False)
        chosen = liked[rng.integers(0, 3, 40)] + DIRECTIONS * rng.integers(0, tracks // DIRECTIONS, 40)
        rows += [{"user_id": f"u{user:05}", "track_id": f"t{number:07}"} for number in chosen]
    pq.write_table(pa.Table.from_pylist(rows), folder / "plays.parquet")
    for user in range(20):
        pq.write_table(pa.Table.from_pylist(rows[40 * user : 40 * (user + 1)]), folder / f"u{user}.parquet")
    return str(folder / "plays.parquet")


def measure_many(settings: Settings, plays: str, folder: Path) -> dict[str, Figure]:
    """Measure the recommendations to all listeners, from file to file."""
    reader = resolve_version(settings)
    lake, spec = reader.lake, reader.spec
    pool, table = CandidateSet.load(lake, spec), pq.read_table(plays)
    histories = pool.indices(table["track_id"]).reshape(-1, 40)
    counts = {}

    def run_tonelake() -> None:
        recommend_to_all(RecommendRequest(plays, K), settings, folder / "all.parquet")
        recommended = pq.read_table(folder / "all.parquet", columns=["user_id", "interest"]).group_by("user_id")
        counts["interests"] = int(sum(recommended.aggregate([("interest", "max")])["interest_max"].to_pylist()))

    def run_plain_loop() -> None:
        for history in histories:
            scores = pool.vectors @ pool.vectors[history].mean(axis=0)
            scores[history] = -np.inf
            first = np.argpartition(-scores, K)[:K]
            first[np.argsort(-scores[first])]

    def run_product() -> None:
        queries = pool.vectors[: counts["interests"]]
        for start in range(0, len(queries), 256):
            queries[start : start + 256] @ pool.vectors.T

    seconds, loop, limit = time_twice(run_tonelake), time_twice(run_plain_loop), time_twice(run_product)
    print(
        f"  many: {seconds:.2f} s, {len(histories) / seconds:,.0f} listeners/s "
        f"with {counts['interests']:,} interests; {seconds / loop:.1f} x the plain loop of mean vectors, "
        f"{seconds / limit:.1f} x the bare product"
    )
    return {
        "listeners": Figure(len(histories) / seconds, "listeners/s", True),
        "times_plain_loop": Figure(seconds / loop, "x the plain loop's time"),
        "times_product": Figure(seconds / limit, "x the bare product's time"),
    }


def measure_one(settings: Settings, folder: Path) -> dict[str, Figure]:
    """Measure twenty listeners, each with a command of its own, without starting Python."""
    reader = resolve_version(settings)
    lake, spec = reader.lake, reader.spec
    answers: list[int] = []

    def run_tonelake() -> None:
        for user in range(20):
            answer = recommend(RecommendRequest(str(folder / f"u{user}.parquet"), K), settings)
            answers.append(len(answer.interests))

    def run_searches() -> None:
        vector = np.ones(128, np.float32)
        for _ in range(sum(answers[:20])):
            search(lake, spec, vector, K)

    seconds, limit = time_twice(run_tonelake), time_twice(run_searches)
    print(
        f"  one: {1000 * seconds / 20:.0f} ms each with {sum(answers[:20]) / 20:.1f} interests; "
        f"{seconds / limit:.1f} x as many bare searches"
    )
    return {"one": Figure(seconds / 20, "s"), "times_searches": Figure(seconds / limit, "x the bare searches' time")}


def time_twice(work: Callable[[], None]) -> float:
    """Return the seconds of the faster of two runs."""
    seconds = []
    for _ in range(2):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return min(seconds)


if __name__ == "__main__":
    main()
