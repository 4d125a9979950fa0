"""`make bench`: recommendations for many listeners, and for one, beside a plain loop and the physical limit.

python -m tests.benchmarks.recommend [--tracks 50000] [--users 500]

Vectors are made up, 128 wide, around 500 directions; each listener played 40 tracks around three of them. The limit of
many is the product that no exact answer can do without: all interests with all vectors. The plain loop knows no
interests: a listener at a time, the mean vector, its product with all vectors, the twenty nearest. The limit of one is
a search for each interest.
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

from flows.recommend.candidates import Pool
from flows.recommend.recommend import recommend, recommend_to_all
from flows.search.search import held
from lake.catalogue.encoders import remember
from lake.embeddings.indexes import tend
from lake.embeddings.search import search
from lake.storage.lake import STORAGE_VERSION, Lake
from schemas.embeddings import embeddings_schema
from schemas.recommend import RecommendRequest
from schemas.settings import S3Settings, Settings
from schemas.tables import embeddings_table
from tests.lake.rows import listing
from workers.encoders.fake import SPEC
from workers.metrics.neighbours import unit_rows

WIDE = replace(SPEC, head=replace(SPEC.head, dim=128))
DIRECTIONS, K = 500, 20


def main() -> None:
    """Makes the lake and the listeners, and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tracks", type=int, default=50_000)
    parser.add_argument("--users", type=int, default=500)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(lake=f"{folder}/lake", encoder=WIDE.name)
        make_lake(Lake.at(settings.lake, S3Settings()), asked.tracks)
        plays = make_plays(Path(folder), asked.tracks, asked.users)
        print(f"{asked.tracks:,} tracks, {asked.users:,} listeners, {K} tracks each")
        many(settings, plays, Path(folder))
        one(settings, Path(folder))


def make_lake(lake: Lake, tracks: int) -> None:
    """Registry and embedded rows, with their indexes."""
    rng, schema = np.random.default_rng(0), embeddings_schema(WIDE)
    centres = rng.standard_normal((DIRECTIONS, 128))
    vectors = unit_rows(centres[np.arange(tracks) % DIRECTIONS] + 0.7 * rng.standard_normal((tracks, 128)))
    rows = listing([f"t{number:07}" for number in range(tracks)])
    made = {
        "track_id": rows["track_id"],
        "vector": pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), 128),
        "content_sha256": pa.array([f"{number:064x}" for number in range(tracks)]),
    }
    columns = [made.get(field.name, pa.nulls(tracks, field.type)) for field in schema]
    remember(lake, WIDE)
    for name, table in (("tracks", rows), (embeddings_table(WIDE), pa.table(columns, schema=schema))):
        lance.write_dataset(table, lake.uri_of(name), data_storage_version=STORAGE_VERSION)
    tend(lake, WIDE)


def make_plays(folder: Path, tracks: int, users: int) -> str:
    """A file of 40 plays a listener, of three directions; one more file for each of the first twenty."""
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


def many(settings: Settings, plays: str, folder: Path) -> None:
    """All listeners, from the file to the file."""
    lake, spec = held(settings)
    pool, table = Pool.of(lake, spec), pq.read_table(plays)
    histories = pool.items(table["track_id"]).reshape(-1, 40)
    found = {}

    def ours() -> None:
        recommend_to_all(RecommendRequest(plays, K), settings, folder / "all.parquet")
        heard = pq.read_table(folder / "all.parquet", columns=["user_id", "interest"]).group_by("user_id")
        found["interests"] = int(sum(heard.aggregate([("interest", "max")])["interest_max"].to_pylist()))

    def plain() -> None:
        for history in histories:
            scores = pool.rows @ pool.rows[history].mean(axis=0)
            scores[history] = -np.inf
            first = np.argpartition(-scores, K)[:K]
            first[np.argsort(-scores[first])]

    def product() -> None:
        queries = pool.rows[: found["interests"]]
        for start in range(0, len(queries), 256):
            queries[start : start + 256] @ pool.rows.T

    seconds, loop, limit = timed(ours), timed(plain), timed(product)
    print(
        f"  many: {seconds:.2f} s, {len(histories) / seconds:,.0f} listeners/s with {found['interests']:,} interests; "
        f"{seconds / loop:.1f} x the plain loop of mean vectors, {seconds / limit:.1f} x the bare product"
    )


def one(settings: Settings, folder: Path) -> None:
    """Twenty listeners, each a command of its own but for the start of Python."""
    lake, spec = held(settings)
    answers: list[int] = []

    def ours() -> None:
        for user in range(20):
            answer = recommend(RecommendRequest(str(folder / f"u{user}.parquet"), K), settings)
            answers.append(len(answer["interests"]))

    def searches() -> None:
        vector = np.ones(128, np.float32)
        for _ in range(sum(answers[:20])):
            search(lake, spec, vector, K)

    seconds, limit = timed(ours), timed(searches)
    print(
        f"  one: {1000 * seconds / 20:.0f} ms each with {sum(answers[:20]) / 20:.1f} interests; "
        f"{seconds / limit:.1f} x as many bare searches"
    )


def timed(work: Callable[[], None]) -> float:
    """Seconds, the faster of two times."""
    seconds = []
    for _ in range(2):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return min(seconds)


if __name__ == "__main__":
    main()
