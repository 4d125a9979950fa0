"""What other libraries need for the same questions: faiss, hnswlib and the plain LanceDB client."""

import time
from collections.abc import Callable

import faiss
import lancedb
import numpy as np

from schemas.settings import Settings
from tests.benchmarks.clustered_vectors import K, chunks, recall_at_10, time_each
from tests.benchmarks.rates import print_table

IP = faiss.METRIC_INNER_PRODUCT


def measure_peers(settings: Settings, tracks: int, dim: int, queries: np.ndarray, truth: np.ndarray) -> None:
    """Print what other libraries need for the ids alone, without metadata; each has the vectors in memory."""
    vectors = np.concatenate([part for _, part in chunks(tracks, dim)])
    lists = int(tracks**0.5)
    peers: dict[str, Callable[[], Callable[[np.ndarray], np.ndarray]]] = {
        "faiss IVF": lambda: _faiss(faiss.IndexIVFFlat(faiss.IndexFlatIP(dim), dim, lists, IP), vectors, nprobe=20),
        "faiss HNSW": lambda: _faiss(faiss.IndexHNSWFlat(dim, 32, IP), vectors, efSearch=64),
        "hnswlib": lambda: _hnswlib(vectors),
        "LanceDB client, new for each query": lambda: _lancedb(settings.lake),
    }
    rows = []
    for name, make in peers.items():
        started = time.perf_counter()
        find = make()
        built = time.perf_counter() - started
        took, answers = time_each(lambda number, find=find: find(queries[number]))
        p50, p95 = np.percentile(took, [50, 95]) * 1e3
        rows.append([name, f"{built:.0f}", f"{p50:.1f}", f"{p95:.1f}", f"{recall_at_10(answers, truth):.3f}"])
    print_table("peers, ids alone", ["", "built in s", "p50 ms", "p95 ms", "recall@10"], rows)


def _faiss(index: faiss.Index, vectors: np.ndarray, **parameters: int) -> Callable[[np.ndarray], np.ndarray]:
    index.train(vectors[:: max(1, len(vectors) // 200_000)])
    index.add(vectors)
    for name, value in parameters.items():
        faiss.ParameterSpace().set_index_parameter(index, name, value)
    return lambda query: index.search(query[None], K)[1][0]


def _hnswlib(vectors: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    import hnswlib  # needs a C++ compiler, and is not everywhere

    index = hnswlib.Index("ip", vectors.shape[1])
    index.init_index(len(vectors), ef_construction=100, M=32)
    index.add_items(vectors)
    index.set_ef(64)
    return lambda query: index.knn_query(query, K)[0][0]


def _lancedb(uri: str) -> Callable[[np.ndarray], np.ndarray]:
    database = lancedb.connect(uri)
    name = next(name for name in database.table_names() if name.startswith("embeddings__"))

    def find(query: np.ndarray) -> np.ndarray:
        rows = database.open_table(name).search(query).distance_type("cosine").nprobes(20).refine_factor(5)
        return np.array([int(row["track_id"], 16) for row in rows.select(["track_id"]).limit(K).to_list()])

    return find
