"""The topology of infra/compose.yaml as processes of this machine: an S3 store, Prefect, two Ray nodes, a worker."""

import json
import os
import secrets
import shutil
import subprocess
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.request import Request

import psutil

from tests.infra.files import ROOT
from tests.infra.parts import NotReady, Part, is_healthy, open_url, start_part
from tests.seaweed import BUCKET, Seaweed, free_ports

LAKE = f"s3://{BUCKET}/catalogue"
POOL = "tonelake"
OBJECT_STORE = 200_000_000  # bytes per Ray node
FLOW_SECONDS = 300
OUR_PREFIXES = ("AWS_", "PREFECT_", "RAY_", "TONELAKE_")
KEPT_VARIABLES = ("TONELAKE_MODELS", "TONELAKE_SOUNDFONTS")  # earlier downloads are used again

Log = Callable[[str], None]
Start = Callable[..., Part]


@dataclass(frozen=True, slots=True)
class Cluster:
    """A running cluster: the variables that lead to it, and the addresses of its parts."""

    work: Path
    store: Seaweed
    environment: dict[str, str]
    exports: dict[str, str]
    prefect: str
    ray: str

    def run(self, program: str, *arguments: str) -> str:
        """Run a command as from a plain shell with the exports; return what it prints.

        Raises NotReady if it fails.
        """
        result = subprocess.run(
            [_program(program), *arguments],
            env=self.environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        if result.returncode:
            output = "\n".join((result.stdout + result.stderr).splitlines()[-20:])
            raise NotReady(f"{program} {' '.join(arguments)} ended with {result.returncode}:\n{output}")
        return result.stdout

    def request_json(self, url: str, body: object = None) -> Any:
        """Return the JSON that Prefect or Ray answers."""
        headers = {"Authorization": f"Bearer {self.exports['RAY_AUTH_TOKEN']}", "Content-Type": "application/json"}
        request = Request(url, None if body is None else json.dumps(body).encode(), headers)
        with open_url(request, 30) as answer:
            return json.load(answer)


@contextmanager
def start_cluster(work: Path, encoder: str, log: Log) -> Iterator[Cluster]:
    """Start every part, and end them all in any case; their logs stay in the folder `work`."""
    work.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        stack.callback(_kill_leftovers, work)
        began = time.monotonic()
        store = stack.enter_context(Seaweed(work / "seaweed"))
        log_step(log, "SeaweedFS (S3)", store.endpoint, time.monotonic() - began)
        cluster = _addresses(work, store, encoder)
        start = partial(_start, stack, cluster)
        folder = stack.enter_context(_ray_folder(work))
        server, head = _prefect_server(start, cluster), _ray_head(start, cluster, folder)
        seconds = server.wait(partial(is_healthy, f"{cluster.prefect}/api/health"))
        log_step(log, "Prefect's server", cluster.prefect, seconds)
        seconds = head.wait(partial(is_healthy, f"{cluster.ray}/api/gcs_healthz"))
        log_step(log, "Ray, first node", cluster.ray, seconds)
        agent, health = (f"http://127.0.0.1:{port}" for port in free_ports(2))
        node = _ray_node(start, "ray-worker", folder, agent, f"--address={cluster.exports['RAY_ADDRESS']}")
        _deploy(cluster, log)
        log_step(log, "Ray, second node", agent, node.wait(partial(is_healthy, f"{agent}/api/local_raylet_healthz")))
        worker = _prefect_worker(start, health)
        log_step(log, "Prefect's worker", f"pool {POOL}", worker.wait(partial(is_healthy, f"{health}/health")))
        yield cluster


def log_step(log: Log, name: str, address: str, seconds: float) -> None:
    """Log one line: what is ready or done, its address, and how long it took."""
    log(f"  {name:<18} {address:<40} {seconds:5.1f} s")


def _addresses(work: Path, store: Seaweed, encoder: str) -> Cluster:
    prefect, dashboard, gcs = (f"127.0.0.1:{port}" for port in free_ports(3))
    exports = {
        "TONELAKE_LAKE": LAKE,
        "TONELAKE_ENCODER": encoder,
        **store.environment(),
        "PREFECT_API_URL": f"http://{prefect}/api",
        "RAY_ADDRESS": gcs,
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(20),
    }
    return Cluster(work, store, _environment(work) | exports, exports, f"http://{prefect}", f"http://{dashboard}")


def _environment(work: Path) -> dict[str, str]:
    """Return the caller's environment without variables that lead to other lakes, servers or stores."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name in KEPT_VARIABLES or not name.startswith(OUR_PREFIXES)
    }
    quiet = {"DO_NOT_TRACK": "1", "PREFECT_SERVER_ANALYTICS_ENABLED": "false", "RAY_USAGE_STATS_ENABLED": "0"}
    isolated = {"PREFECT_HOME": str(work / "prefect"), "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return inherited | quiet | isolated | {"NO_PROXY": "127.0.0.1,localhost", "PYTHONUNBUFFERED": "1", "NO_COLOR": "1"}


def _program(name: str) -> str:
    return str(Path(sysconfig.get_path("scripts")) / name)


def _start(stack: ExitStack, cluster: Cluster, name: str, program: str, *arguments: str, **variables: str) -> Part:
    command = [_program(program), *arguments]
    log_file = cluster.work / f"{name}.log"
    return stack.enter_context(start_part(name, command, cluster.environment | variables, log_file))


def _prefect_server(start: Start, cluster: Cluster) -> Part:
    host, port = cluster.prefect.removeprefix("http://").split(":")
    variables = {
        "PREFECT_UI_API_URL": f"{cluster.prefect}/api",
        "PREFECT_SERVER_SERVICES_SCHEDULER_ENABLED": "false",  # else the time of day would decide what else runs
    }
    return start("prefect-server", "prefect", "server", "start", "--host", host, "--port", port, **variables)


def _ray_head(start: Start, cluster: Cluster, folder: str) -> Part:
    gcs, dashboard = (address.rpartition(":")[2] for address in (cluster.exports["RAY_ADDRESS"], cluster.ray))
    agent, client = free_ports(2)
    options = ("--head", f"--port={gcs}", f"--dashboard-port={dashboard}", f"--ray-client-server-port={client}")
    return _ray_node(start, "ray-head", folder, f"http://127.0.0.1:{agent}", *options)


@contextmanager
def _ray_folder(work: Path) -> Iterator[str]:
    """Make a folder with a short name, as Unix sockets need; copy Ray's logs from it to `work`."""
    with tempfile.TemporaryDirectory(prefix="tl", dir="/tmp", ignore_cleanup_errors=True) as short:
        try:
            yield short
        finally:
            for logs in Path(short).glob("session_2*/logs"):
                shutil.copytree(logs, work / "ray", dirs_exist_ok=True, ignore_dangling_symlinks=True)


def _ray_node(start: Start, name: str, folder: str, agent: str, *options: str) -> Part:
    """Start a node with one core.

    Two nodes on one machine must not share a port, so it does not take Ray's default ports.
    """
    (metrics,) = free_ports(1)
    ports = (f"--dashboard-agent-listen-port={agent.rpartition(':')[2]}", f"--metrics-export-port={metrics}")
    size = ("--num-cpus=1", f"--object-store-memory={OBJECT_STORE}", "--min-worker-port=0", "--max-worker-port=0")
    return start(name, "ray", "start", "--block", *options, f"--temp-dir={folder}", *size, *ports)


def _deploy(cluster: Cluster, log: Log) -> None:
    """Deploy the flows, as the service `deployments` of compose.yaml does."""
    began = time.monotonic()
    cluster.run("prefect", "--no-prompt", "work-pool", "create", POOL, "--type", "process", "--overwrite")
    cluster.run("prefect", "--no-prompt", "deploy", "--all", "--prefect-file", "infra/prefect.yaml")
    log_step(log, "Deployments", "infra/prefect.yaml", time.monotonic() - began)


def _prefect_worker(start: Start, health: str) -> Part:
    """Start Prefect's worker beside the Ray nodes, because Ray's driver must be on one."""
    port = health.rpartition(":")[2]
    variables = {"PREFECT_WORKER_WEBSERVER_HOST": "127.0.0.1", "PREFECT_WORKER_WEBSERVER_PORT": port}
    variables["PREFECT_WORKER_QUERY_SECONDS"] = "2"  # by default a run waits for up to ten
    return start("prefect-worker", "prefect", "worker", "start", "--pool", POOL, "--with-healthcheck", **variables)


def _kill_leftovers(work: Path) -> None:
    """Kill processes that a signal left unregistered, or that Ray started while its node was ending."""
    leftovers = processes_of(work)
    for process in leftovers:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(leftovers, timeout=10)


def processes_of(work: Path) -> list[psutil.Process]:
    """Return the processes of a cluster in that folder.

    Its parts, and all that they start, have Prefect's home in their environment.
    """
    processes = []
    for process in psutil.process_iter():
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            if (
                process.environ().get("PREFECT_HOME") == str(work / "prefect")
                or f"-dir={work / 'seaweed'}" in process.cmdline()
            ):
                processes.append(process)
    return processes
