"""`make cluster`: starts the cluster, runs flows in it through their deployments, and tells what came of it.

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
from tests.flows.labelled import labelled_folder
from tests.infra.files import ROOT
from tests.infra.parts import NotReady, tail
from tests.infra.topology import FLOW_SECONDS, LAKE, Cluster, Say, cluster, processes_of, told
from tests.seaweed import BUCKET
from workers.synthetic_music.demo.catalogue import render_catalogue

MUSIC = f"s3://{BUCKET}/music"
PIECES, SECONDS = 24, 10
STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
BROKEN = b"no audio at all, though its name says so"


@dataclass(frozen=True, slots=True)
class Counts:
    """What plain Lance reads of the lake; `rows` of the embeddings, which is `embedded` unless one came twice."""

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
    """What `shown` saw: of each deployment its state, of each Ray node its blocks, and what the lake then said."""

    states: dict[str, str]
    blocks: dict[str, int]
    nodes: int
    running: int
    indexed: Counts
    refreshed: Counts
    figures: dict[tuple[str, str], float]
    status: str
    found: str


def shown(found: Cluster, say: Say) -> Outcome:
    """Music into the store, then index, refresh and evaluate as deployments, then questions from a plain shell."""
    files = sorted(
        path for path in render_catalogue(found.work / "music", PIECES + 1, seconds=SECONDS).parent.iterdir()
    )
    audio = [path for path in files if path.suffix != ".csv"]
    store = found.store.filesystem(read_timeout=30)
    for path in audio[:PIECES]:
        store.put_file(str(path), f"{MUSIC}/{path.name}")
    store.pipe_file(f"{MUSIC}/broken.flac", BROKEN)
    say(f"\n{PIECES} rendered pieces and a broken file are in {MUSIC}")
    states = {"index/on-request": deployed(found, say, "index/on-request", sources=[MUSIC])}
    indexed = counted(found)
    say(f"  {indexed}")
    blocks, nodes = blocks_by_node(found), len(live_nodes(found))
    say("  computed by " + " and ".join(f"Ray node {node[:8]}: {count} blocks" for node, count in blocks.items()))
    store.put_file(str(audio[PIECES]), f"{MUSIC}/{audio[PIECES].name}")
    say(f"\nOne more piece is in {MUSIC}")
    states["refresh/nightly-refresh"] = deployed(found, say, "refresh/nightly-refresh")
    refreshed = counted(found)
    say(f"  {refreshed}")
    clips = labelled_folder(found.work / "clips")
    say(f"\n{len(list(clips.glob('*.wav')))} labelled clips are in {clips}")
    states["evaluate/nightly"] = deployed(
        found, say, "evaluate/nightly", benchmarks=["folder"], data=str(clips), protocols=["linear", "mlp"]
    )
    figures = scored(found)
    say("  " + ", ".join(f"{protocol} {metric} {value:.3f}" for (protocol, metric), value in figures.items()))
    say("\nFrom a plain shell:")
    status = typed(found, say, "tonelake", "status")
    answer = typed(found, say, "tonelake", "search", "flute", "-k", "3")
    running = len(processes_of(found.work))
    return Outcome(states, blocks, nodes, running, indexed, refreshed, figures, status, answer)


def typed(found: Cluster, say: Say, program: str, *arguments: str) -> str:
    """A command as a person types it, and what it printed."""
    say(f"$ {shlex.join([program, *arguments])}")
    say(printed := found.run(program, *arguments).rstrip())
    return printed


def deployed(found: Cluster, say: Say, name: str, **parameters: object) -> str:
    """Runs a deployment to its end, as docs/deploy.md says; the state that Prefect's server has written down."""
    given = [word for key, value in parameters.items() for word in ("--param", f"{key}={json.dumps(value)}")]
    command = ["deployment", "run", name, *given, "--watch", "--watch-timeout", str(FLOW_SECONDS)]
    say(f"$ {shlex.join(['prefect', *command[:-2]])}")
    began = time.monotonic()
    try:
        found.run("prefect", "--no-prompt", *command)
    except NotReady as error:
        raise NotReady(f"{error}\n{tail(found.work / 'prefect-worker.log')}") from error
    asked = {"sort": "EXPECTED_START_TIME_DESC", "limit": 1, "flows": {"name": {"any_": [name.split("/")[0]]}}}
    (run,) = found.asked(f"{found.prefect}/api/flow_runs/filter", asked)
    told(say, run["state"]["name"], f"{run['total_run_time']:.1f} s in the flow", time.monotonic() - began)
    return run["state"]["name"]


def table(found: Cluster, name: str, columns: list[str]) -> pa.Table:
    """A table of the lake as any client of Lance reads it."""
    options = {key.lower(): value for key, value in found.exports.items() if key.startswith("AWS_")}
    where = f"{LAKE}/{name}.lance"
    return lance.dataset(where, storage_options=options | {"allow_http": "true"}).to_table(columns=columns)


def counted(found: Cluster) -> Counts:
    """Each track by itself: what is in neither table is pending."""
    (name,) = (one for one in tables(found) if one.startswith("embeddings__"))
    expected = (
        table(found, "tracks", ["track_id", "state"]).filter(pc.field("state") == "active")["track_id"].to_pylist()
    )
    rows = table(found, name, ["track_id"])["track_id"].to_pylist()
    refused = {key.split("@")[0] for key in table(found, "quarantine", ["key"])["key"].to_pylist()}
    embedded, quarantined = set(expected) & set(rows), set(expected) & refused - set(rows)
    pending = set(expected) - embedded - quarantined
    return Counts(len(expected), len(embedded), len(quarantined), len(pending), len(rows))


def tables(found: Cluster) -> list[str]:
    """The names of the lake's tables."""
    listed = found.store.filesystem(read_timeout=30).ls(LAKE, detail=False)
    return [path.rsplit("/", 1)[1].removesuffix(".lance") for path in listed if path.endswith(".lance")]


def scored(found: Cluster) -> dict[tuple[str, str], float]:
    """The main figures that the evaluation wrote, by protocol and metric."""
    rows = table(found, "evaluations", ["protocol", "metric", "value", "is_main"]).to_pylist()
    return {(row["protocol"], row["metric"]): row["value"] for row in rows if row["is_main"]}


def live_nodes(found: Cluster) -> list[str]:
    """Ids of the nodes that Ray says are alive."""
    rows = found.asked(f"{found.ray}/api/v0/nodes?detail=1")["data"]["result"]["result"]
    return [row["node_id"] for row in rows if row["state"] == "ALIVE"]


def blocks_by_node(found: Cluster) -> dict[str, int]:
    """How many blocks of tracks the actors of each Ray node have computed so far, as Ray's own books say."""
    rows = found.asked(f"{found.ray}/api/v0/tasks?limit=10000&detail=1")["data"]["result"]["result"]
    done = [row for row in rows if row["name"].endswith("(FusedStage)).submit") and row["state"] == "FINISHED"]
    return dict(Counter(row["node_id"] for row in done if row["type"] == "ACTOR_TASK"))


def main() -> None:
    """Prints as it goes; exit 1 with the log of the part that failed, 130 after Ctrl-C."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("folder", type=Path, nargs="?", default=Path("cluster-data"))
    asked.add_argument("--keep", action="store_true", help="leave it standing until Ctrl-C")
    given = asked.parse_args()
    for one in STOPS:
        signal.signal(one, _stop_once)
    try:
        run(given.folder.absolute(), given.keep, partial(print, flush=True))
    except UserError as error:
        print(f"cluster: {error}", file=sys.stderr)
        sys.exit(2)
    except RuntimeError as error:
        sys.exit(f"cluster: {error}\nthe logs of all parts are in {given.folder}")
    except KeyboardInterrupt:
        print(f"stopped; the logs are in {given.folder}", file=sys.stderr)
        sys.exit(130)


def run(folder: Path, keep: bool, say: Say) -> Outcome:
    """Everything, in a folder that is emptied first; the cluster ends with it."""
    began = time.monotonic()
    _empty(folder)
    say("Starting the topology of infra/compose.yaml as processes:")
    with cluster(folder, "musicnn", say) as found:
        outcome = shown(found, say)
        ran = f"{len(outcome.states)} flow runs Completed on {len(outcome.blocks)} Ray nodes, {outcome.refreshed}"
        say(f"\n{ran}.\nDone in {time.monotonic() - began:.0f} s; the logs are in {folder}.")
        if keep:
            _keep(found, say)
    return outcome


def _empty(folder: Path) -> None:
    """Only of what an earlier cluster left; UserError where one runs there, or the folder is someone else's."""
    if processes_of(folder):
        raise UserError(f"a cluster is running in {folder}: end it with Ctrl-C where it was started, or name another")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / "seaweed").is_dir():
        raise UserError(f"{folder} holds what no cluster left there: name a folder that is empty or new")
    shutil.rmtree(folder, ignore_errors=True)


def _keep(found: Cluster, say: Say) -> None:
    say(f"\nIt stays until Ctrl-C. Prefect: {found.prefect}   Ray: {found.ray}\nIn another shell, from {ROOT}:\n")
    for name, value in found.exports.items():
        say(f"export {name}={shlex.quote(value)}")
    with suppress(KeyboardInterrupt):
        signal.pause()


def _stop_once(*_: object) -> None:
    """The first signal ends the work; a second one must not end the ending."""
    for one in STOPS:
        signal.signal(one, signal.SIG_IGN)
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
