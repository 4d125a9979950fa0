"""`make cluster`: start a cluster, run the deployed flows in it, and print the results.

python -m tests.infra.cluster [FOLDER] [--keep]
"""

import argparse
import json
import shlex
import shutil
import signal
import sys
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import lance
import pyarrow as pa
import pyarrow.compute as pc

from schemas.errors import UserError
from tests.flows.labelled import write_labelled_folder
from tests.infra.files import ROOT
from tests.infra.parts import NotReady, tail
from tests.infra.topology import FLOW_SECONDS, LAKE, Cluster, Log, log_step, processes_of, start_cluster
from tests.seaweed import BUCKET
from workers.synthetic_music.demo.catalogue import render_catalogue

MUSIC = f"s3://{BUCKET}/music"
PIECES, SECONDS = 24, 10
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
NOT_AUDIO = b"no audio, in spite of its name"


@dataclass(frozen=True, slots=True)
class Counts:
    """Counts that plain Lance reads from the lake.

    `rows` is the length of the embeddings table: equal to `embedded` unless a track has two rows.
    """

    expected: int
    embedded: int
    quarantined: int
    pending: int
    rows: int

    def __str__(self) -> str:
        parts = f"{self.embedded} embedded + {self.quarantined} quarantined + {self.pending} pending"
        return f"{self.expected} expected = {parts}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """Results of `run_flows`: states of the deployments, blocks of each Ray node, counts of the lake."""

    states: dict[str, str]
    blocks: dict[str, int]
    nodes: int
    running: int
    indexed: Counts
    refreshed: Counts
    figures: dict[tuple[str, str], float]
    status: str
    search: str


def run_flows(cluster: Cluster, log: Log) -> Outcome:
    """Upload music, run the deployments index, refresh and evaluate, then search from a plain shell."""
    files = sorted(
        path for path in render_catalogue(cluster.work / "music", PIECES + 1, seconds=SECONDS).parent.iterdir()
    )
    audio = [path for path in files if path.suffix != ".csv"]
    store = cluster.store.filesystem(read_timeout=30)
    for path in audio[:PIECES]:
        store.put_file(str(path), f"{MUSIC}/{path.name}")
    store.pipe_file(f"{MUSIC}/broken.flac", NOT_AUDIO)
    log(f"\n{PIECES} rendered pieces and a broken file are in {MUSIC}")
    states = {"index/on-request": run_deployment(cluster, log, "index/on-request", sources=[MUSIC])}
    indexed = read_counts(cluster)
    log(f"  {indexed}")
    blocks, nodes = count_blocks_by_node(cluster), len(live_nodes(cluster))
    log("  computed by " + " and ".join(f"Ray node {node[:8]}: {count} blocks" for node, count in blocks.items()))
    store.put_file(str(audio[PIECES]), f"{MUSIC}/{audio[PIECES].name}")
    log(f"\nOne more piece is in {MUSIC}")
    states["refresh/nightly-refresh"] = run_deployment(cluster, log, "refresh/nightly-refresh")
    refreshed = read_counts(cluster)
    log(f"  {refreshed}")
    clips = write_labelled_folder(cluster.work / "clips")
    log(f"\n{len(list(clips.glob('*.wav')))} labelled clips are in {clips}")
    states["evaluate/nightly"] = run_deployment(
        cluster, log, "evaluate/nightly", benchmarks=["folder"], data=str(clips), protocols=["linear", "mlp"]
    )
    figures = read_figures(cluster)
    log("  " + ", ".join(f"{protocol} {metric} {value:.3f}" for (protocol, metric), value in figures.items()))
    log("\nFrom a plain shell:")
    status = run_command(cluster, log, "tonelake", "status")
    answer = run_command(cluster, log, "tonelake", "search", "flute", "-k", "3")
    running = len(processes_of(cluster.work))
    return Outcome(states, blocks, nodes, running, indexed, refreshed, figures, status, answer)


def run_command(cluster: Cluster, log: Log, program: str, *arguments: str) -> str:
    """Run a command as a user types it, log it, and return what it printed."""
    log(f"$ {shlex.join([program, *arguments])}")
    output = cluster.run(program, *arguments).rstrip()
    log(output)
    return output


def run_deployment(cluster: Cluster, log: Log, name: str, **parameters: object) -> str:
    """Run a deployment to its end, as docs/deploy.md shows; return the state that Prefect recorded."""
    options = [word for key, value in parameters.items() for word in ("--param", f"{key}={json.dumps(value)}")]
    command = ["deployment", "run", name, *options, "--watch", "--watch-timeout", str(FLOW_SECONDS)]
    log(f"$ {shlex.join(['prefect', *command[:-2]])}")
    began = time.monotonic()
    try:
        cluster.run("prefect", "--no-prompt", *command)
    except NotReady as error:
        raise NotReady(f"{error}\n{tail(cluster.work / 'prefect-worker.log')}") from error
    query = {"sort": "EXPECTED_START_TIME_DESC", "limit": 1, "flows": {"name": {"any_": [name.split("/")[0]]}}}
    (run,) = cluster.request_json(f"{cluster.prefect}/api/flow_runs/filter", query)
    log_step(log, run["state"]["name"], f"{run['total_run_time']:.1f} s in the flow", time.monotonic() - began)
    return run["state"]["name"]


def read_table(cluster: Cluster, name: str, columns: list[str]) -> pa.Table:
    """Read a table of the lake as any client of Lance does."""
    options = {key.lower(): value for key, value in cluster.exports.items() if key.startswith("AWS_")}
    uri = f"{LAKE}/{name}.lance"
    return lance.dataset(uri, storage_options=options | {"allow_http": "true"}).to_table(columns=columns)


def read_counts(cluster: Cluster) -> Counts:
    """Count the tracks one by one; a track in neither table is pending."""
    (name,) = (table for table in list_tables(cluster) if table.startswith("embeddings__"))
    expected = (
        read_table(cluster, "tracks", ["track_id", "state"])
        .filter(pc.field("state") == "active")["track_id"]
        .to_pylist()
    )
    rows = read_table(cluster, name, ["track_id"])["track_id"].to_pylist()
    failed = {key.split("@")[0] for key in read_table(cluster, "quarantine", ["key"])["key"].to_pylist()}
    embedded, quarantined = set(expected) & set(rows), set(expected) & failed - set(rows)
    pending = set(expected) - embedded - quarantined
    return Counts(len(expected), len(embedded), len(quarantined), len(pending), len(rows))


def list_tables(cluster: Cluster) -> list[str]:
    """Return the names of the lake's tables."""
    paths = cluster.store.filesystem(read_timeout=30).ls(LAKE, detail=False)
    return [path.rsplit("/", 1)[1].removesuffix(".lance") for path in paths if path.endswith(".lance")]


def read_figures(cluster: Cluster) -> dict[tuple[str, str], float]:
    """Return the main figures of the evaluation, by protocol and metric."""
    rows = read_table(cluster, "evaluations", ["protocol", "metric", "value", "is_main"]).to_pylist()
    return {(row["protocol"], row["metric"]): row["value"] for row in rows if row["is_main"]}


def live_nodes(cluster: Cluster) -> list[str]:
    """Return the ids of the nodes that are alive, by Ray's own API."""
    rows = cluster.request_json(f"{cluster.ray}/api/v0/nodes?detail=1")["data"]["result"]["result"]
    return [row["node_id"] for row in rows if row["state"] == "ALIVE"]


def count_blocks_by_node(cluster: Cluster) -> dict[str, int]:
    """How many blocks of tracks the actors of each Ray node have computed so far, as Ray's own books log."""
    rows = cluster.request_json(f"{cluster.ray}/api/v0/tasks?limit=10000&detail=1")["data"]["result"]["result"]
    finished = [row for row in rows if row["name"].endswith("(FusedStage)).submit") and row["state"] == "FINISHED"]
    return dict(Counter(row["node_id"] for row in finished if row["type"] == "ACTOR_TASK"))


def main() -> None:
    """Run from the command line; exit with 1 and the log of a failed part, with 130 after Ctrl-C."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=Path("cluster-data"))
    parser.add_argument("--keep", action="store_true", help="keep it running until Ctrl-C")
    options = parser.parse_args()
    for number in STOP_SIGNALS:
        signal.signal(number, _stop_once)
    try:
        run(options.folder.absolute(), options.keep, partial(print, flush=True))
    except UserError as error:
        print(f"cluster: {error}", file=sys.stderr)
        sys.exit(2)
    except RuntimeError as error:
        sys.exit(f"cluster: {error}\nthe logs of all parts are in {options.folder}")
    except KeyboardInterrupt:
        print(f"stopped; the logs are in {options.folder}", file=sys.stderr)
        sys.exit(130)


def run(folder: Path, keep: bool, log: Log) -> Outcome:
    """Empty the folder, start the cluster in it, run the flows, and stop the cluster."""
    began = time.monotonic()
    _empty(folder)
    log("Starting the topology of infra/compose.yaml as processes:")
    with start_cluster(folder, "musicnn", log) as running:
        outcome = run_flows(running, log)
        summary = f"{len(outcome.states)} flow runs Completed on {len(outcome.blocks)} Ray nodes, {outcome.refreshed}"
        log(f"\n{summary}.\nDone in {time.monotonic() - began:.0f} s; the logs are in {folder}.")
        if keep:
            _keep_running(running, log)
    return outcome


def _empty(folder: Path) -> None:
    """Empty a folder that an earlier cluster left.

    Raises UserError if a cluster is running there, or if no cluster made the folder.
    """
    if processes_of(folder):
        raise UserError(f"a cluster is running in {folder}: end it with Ctrl-C where it was started, or name another")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / "seaweed").is_dir():
        raise UserError(f"{folder} holds files that no cluster left there: name a folder that is empty or new")
    shutil.rmtree(folder, ignore_errors=True)


def _keep_running(cluster: Cluster, log: Log) -> None:
    log(f"\nIt runs until Ctrl-C. Prefect: {cluster.prefect}   Ray: {cluster.ray}\nIn another shell, from {ROOT}:\n")
    for name, value in cluster.exports.items():
        log(f"export {name}={shlex.quote(value)}")
    with suppress(KeyboardInterrupt):
        signal.pause()


def _stop_once(*_: object) -> None:
    """Stop the work at the first signal; a second signal must not interrupt the clean-up."""
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
