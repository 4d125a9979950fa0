"""`tonelake map` and the map's page: time, memory, frames, and how well neighbours stay neighbours.

python -m tests.benchmarks.map [--tracks 100000] [--dim 384] [--work FOLDER] [--page] [--landmarks 50000]

The vectors are those of clustered_vectors.py, each moved towards the direction of the genre that it is nearest to.
Tags follow the vectors and the genres. The lake in the work folder is kept, and used again. `--page` measures the page
in Debian's Chromium, drawn in software.

Trustworthiness is that of Venna and Kaski, "Neighborhood preservation in nonlinear projection methods", 2001, of 500
tracks and their 15 neighbours on the map, which are sought among all tracks. Beside it stands the share of the 15
nearest by the vectors that are among the 15 nearest on the map.
"""

import argparse
import json
import resource
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import lance
import numpy as np
import pyarrow as pa
import uvicorn
from scipy.spatial import cKDTree

from flows.web.app import create_app
from flows.web.rules import ServeRules
from lake.catalogue.encoders import register_encoder
from lake.releases.map_table import match_positions, read_map
from lake.releases.publish import draft, publish
from lake.releases.releases import take_snapshot
from lake.storage.lake import STORAGE_VERSION, Lake
from lake.storage.vectors import to_matrix
from schemas.embeddings import embeddings_schema
from schemas.encoders import BackboneSpec, EncoderSpec, HeadSpec, TaggerSpec
from schemas.settings import Settings
from schemas.tables import embeddings_table
from schemas.tracks import TRACKS
from tests.benchmarks.clustered_vectors import chunks
from tests.benchmarks.figures import Figure, record_figures
from tests.cli import COMMAND, environment
from tests.lake.rows import SPEC

GENRES = "Ambient Blues Classical Country Disco Electronic Folk Funk Hip-Hop House Jazz Metal Pop Rock Soul".split()
TAGS = "acoustic bass beat calm choir dark drums fast guitar happy loud piano sad slow soft strings vocal".split()
QUERIES, NEIGHBOURS = 500, 15
GENRE_WEIGHT = 0.6  # beside a vector of length 1
CHROMIUM = "/usr/bin/chromium"
SOFTWARE = ["--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]


def main() -> None:
    """Make the lake and the map, measure, and print lines."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tracks", type=int, default=100_000)
    parser.add_argument("--dim", type=int, default=384)
    parser.add_argument("--landmarks", type=int, default=50_000)
    parser.add_argument("--work", type=Path)
    parser.add_argument("--page", action="store_true")
    parser.add_argument("--only-page", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        uri = str(arguments.work or temporary) + f"/map-{arguments.tracks}-{arguments.dim}"
        spec = make_once(uri, arguments.tracks, arguments.dim)
        figures = {}
        if not arguments.only_page:
            for method in ("pca", "umap"):
                figures |= measure_map(uri, spec, method, arguments.landmarks)
        if arguments.page or arguments.only_page:
            figures |= measure_page(uri)
    record_figures("map", figures)


def make_once(uri: str, tracks: int, dim: int) -> EncoderSpec:
    """Return the version of the lake; make the lake first if it is not there."""
    backbone = BackboneSpec("0" * 64, SPEC.backbone.windows, "", "", dim)
    spec = EncoderSpec("synthetic", "MIT", "", backbone, HeadSpec("", dim), TaggerSpec(tuple(TAGS), 0.5))
    if Path(uri).exists():
        return spec
    unfinished = Path(f"{uri}.part")
    lake = Lake.at(str(unfinished), Settings().s3)
    lake.require_current_format()
    register_encoder(lake, spec)
    directions = np.random.default_rng(1).standard_normal((dim, len(GENRES) + len(TAGS))).astype(np.float32)
    directions /= np.linalg.norm(directions, axis=0)
    usual_tags = 0.2 * np.random.default_rng(2).standard_normal((len(GENRES), len(TAGS)))
    schema = embeddings_schema(spec)
    for name, columns in (("tracks", TRACKS), (embeddings_table(spec), schema)):
        lake.open_or_create(name, columns)
    for start, vectors in chunks(tracks, dim):
        numbers = np.arange(start, start + len(vectors))
        genres = np.argmax(vectors @ directions[:, : len(GENRES)], axis=1)
        vectors = vectors + GENRE_WEIGHT * directions[:, genres].T
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        order = np.argsort(-(vectors @ directions[:, len(GENRES) :] + usual_tags[genres]), axis=1)[:, :3]
        ids = [f"{number:032x}" for number in numbers]
        values = {
            "track_id": ids,
            "source_version": ["1"] * len(ids),
            "title": [f"Title {number}" for number in numbers],
            "artist": [f"Artist {number // 10}" for number in numbers],
            "vector": pa.FixedSizeListArray.from_arrays(vectors.ravel(), dim),
            "year": (1960 + 4 * genres + numbers % 7).tolist(),
            "genres": [[GENRES[genre]] for genre in genres],
            "tag_names": [[TAGS[tag] for tag in row[:2]] for row in order],
            "tags": [
                [{"name": TAGS[tag], "score": 0.9 - 0.2 * rank} for rank, tag in enumerate(row)] for row in order
            ],
            "tags_version": [spec.tags_version] * len(ids),
            "duration_s": [200.0] * len(ids),
            "uri": [f"/music/{name}.flac" for name in ids],
            "state": ["active"] * len(ids),
        }
        for name, columns in (("tracks", TRACKS), (embeddings_table(spec), schema)):
            arrays = [
                pa.array(values[field.name], field.type) if field.name in values else pa.nulls(len(ids), field.type)
                for field in columns
            ]
            table = pa.table(arrays, schema=columns)
            lance.write_dataset(table, lake.table_uri(name), mode="append", data_storage_version=STORAGE_VERSION)
    publish(lake, draft(None, take_snapshot(lake, spec), "run", "index"), print)
    unfinished.rename(uri)
    return spec


def measure_map(uri: str, spec: EncoderSpec, method: str, landmarks: int) -> dict[str, Figure]:
    """Run `tonelake map` in a process of its own; return its seconds, its memory and the trustworthiness."""
    command = [*COMMAND, "--lake", uri, "--json", "map", "--renew", "--method", method, "--landmarks", str(landmarks)]
    started = time.perf_counter()
    result = subprocess.run(command, env=environment(), capture_output=True, text=True, check=True)
    seconds = time.perf_counter() - started
    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e6  # of the largest child so far
    report = json.loads(result.stdout)
    lake = Lake.at(uri, Settings().s3)
    table = lake.table(embeddings_table(spec))
    files = table.to_table(columns=["track_id", "source_version"])
    _, positions = match_positions(files, read_map(lake, spec))
    trust, kept = measure_trust(table, positions)
    print(
        f"{method}: {report['tracks']:,} tracks in {seconds:.0f} s, {memory:.2f} GB, trustworthiness {trust:.3f}, "
        f"{kept:.1%} of the neighbours kept",
        flush=True,
    )
    return {
        f"{method}_s": Figure(seconds, "s"),
        f"{method}_gb": Figure(memory, "GB"),
        f"{method}_trust": Figure(trust, "", more_is_better=True),
    }


def measure_trust(table: lance.LanceDataset, positions: np.ndarray) -> tuple[float, float]:
    """Return the trustworthiness of a map, and the share of neighbours that it keeps."""
    count = len(positions)
    queries = np.sort(np.random.default_rng(0).choice(count, min(QUERIES, count), replace=False))
    vectors_of_queries = to_matrix(table.take(queries.tolist(), columns=["vector"])["vector"])
    on_map = cKDTree(positions).query(positions[queries], NEIGHBOURS + 1)[1]
    on_map = np.stack([row[row != query][:NEIGHBOURS] for row, query in zip(on_map, queries, strict=True)])
    shown = to_matrix(table.take(np.unique(on_map).tolist(), columns=["vector"])["vector"])
    likeness = np.einsum("qd,qkd->qk", vectors_of_queries, shown[np.searchsorted(np.unique(on_map), on_map)])
    nearer = np.zeros(on_map.shape, np.int64)
    for batch in table.to_batches(columns=["vector"], batch_size=1 << 14):
        scores = vectors_of_queries @ to_matrix(pa.chunked_array([batch["vector"]])).T
        scores.sort(axis=1)
        nearer += np.stack(
            [len(row) - np.searchsorted(row, of, "right") for row, of in zip(scores, likeness, strict=True)]
        )
    ranks = np.maximum(nearer, 1)  # the query itself is the nearest
    excess = np.maximum(ranks - NEIGHBOURS, 0).sum()
    worst = len(queries) * NEIGHBOURS * (2 * count - 3 * NEIGHBOURS - 1) / 2
    return float(1 - excess / worst), float((ranks <= NEIGHBOURS).mean())


@contextmanager
def served(settings: Settings) -> Iterator[str]:
    """Serve a lake in a thread; give its address."""
    server = uvicorn.Server(uvicorn.Config(create_app(settings, ServeRules()), port=0, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


def measure_page(uri: str) -> dict[str, Figure]:
    """Load the page twice, then pan: return seconds, and milliseconds of a frame."""
    from playwright.sync_api import sync_playwright

    with served(Settings(lake=uri)) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=SOFTWARE)
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        loads = []
        for _ in range(2):  # the first one reads the tables, too
            started = time.perf_counter()
            page.goto(f"{address}/map")
            page.wait_for_selector("body[data-map=ready]", timeout=300_000)
            loads.append(time.perf_counter() - started)
        box = page.locator("#map-canvas").bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        page.mouse.move(x, y)
        page.mouse.down()
        page.evaluate(_COUNT_FRAMES)
        for step in range(120):
            page.mouse.move(x + 150 * np.sin(step / 10), y + 100 * np.cos(step / 10))
            page.wait_for_timeout(20)
        page.mouse.up()
        frames = np.array(page.evaluate("tonelakeFrames"))
        budget = page.evaluate("Math.min(tonelakePlane.count, tonelakePlane.budget)")
        whole = page.evaluate(_WHOLE_DRAW)
        browser.close()
    settled = frames[5:]
    print(
        f"page: {loads[0]:.1f} s at first, {loads[1]:.1f} s again; a frame while panning: median "
        f"{np.median(settled):.0f} ms, p95 {np.quantile(settled, 0.95):.0f} ms, {budget:,.0f} points in it; "
        f"all points at rest: {whole:.0f} ms"
    )
    return {
        "page_first_s": Figure(loads[0], "s"),
        "page_again_s": Figure(loads[1], "s"),
        "frame_ms": Figure(float(np.median(settled)), "ms"),
        "frame_p95_ms": Figure(float(np.quantile(settled, 0.95)), "ms"),
        "rest_ms": Figure(whole, "ms"),
    }


_COUNT_FRAMES = """() => {
  window.tonelakeFrames = [];
  let last = performance.now();
  const count = (now) => { tonelakeFrames.push(now - last); last = now; requestAnimationFrame(count); };
  requestAnimationFrame(count);
}"""
_WHOLE_DRAW = """() => new Promise((done) => requestAnimationFrame(() => {
  const started = performance.now();
  tonelakePlane.draw();
  requestAnimationFrame(() => {
    tonelakePlane.gl.readPixels(0, 0, 1, 1, 6408, 5121, new Uint8Array(4));
    done(performance.now() - started);
  });
}))"""


if __name__ == "__main__":
    main()
