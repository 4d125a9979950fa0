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
from tests.infra.parts import NotReady, Part, answers, asked, started
from tests.seaweed import BUCKET, Seaweed, free_ports

LAKE = f"s3://{BUCKET}/catalogue"
POOL = "tonelake"
OBJECT_STORE = 200_000_000  # bytes a Ray node
FLOW_SECONDS = 300
OURS = ("AWS_", "PREFECT_", "RAY_", "TONELAKE_")
KEPT = ("TONELAKE_MODELS", "TONELAKE_SOUNDFONTS")  # what was fetched before need not be fetched again

Say = Callable[[str], None]
Start = Callable[..., Part]


@dataclass(frozen=True, slots=True)
class Cluster:
    """One that stands: the variables that reach it, and where its parts listen."""

    work: Path
    store: Seaweed
    environment: dict[str, str]
    exports: dict[str, str]
    prefect: str
    ray: str

    def run(self, program: str, *arguments: str) -> str:
        """What a command prints that is run from a plain shell with the exports; NotReady where it fails."""
        done = subprocess.run(
            [_program(program), *arguments],
            env=self.environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            told = "\n".join((done.stdout + done.stderr).splitlines()[-20:])
            raise NotReady(f"{program} {' '.join(arguments)} ended with {done.returncode}:\n{told}")
        return done.stdout

    def asked(self, url: str, body: object = None) -> Any:
        """The JSON that Prefect or Ray answers."""
        headers = {"Authorization": f"Bearer {self.exports['RAY_AUTH_TOKEN']}", "Content-Type": "application/json"}
        request = Request(url, None if body is None else json.dumps(body).encode(), headers)
        with asked(request, 30) as answer:
            return json.load(answer)


@contextmanager
def cluster(work: Path, encoder: str, say: Say) -> Iterator[Cluster]:
    """Starts every part and ends them all, whatever happens; their logs stay in the folder `work`, one a part."""
    work.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        stack.callback(_sweep, work)
        began = time.monotonic()
        store = stack.enter_context(Seaweed(work / "seaweed"))
        told(say, "SeaweedFS (S3)", store.endpoint, time.monotonic() - began)
        found = _addresses(work, store, encoder)
        start = partial(_start, stack, found)
        folder = stack.enter_context(_ray_folder(work))
        server, head = _prefect_server(start, found), _ray_head(start, found, folder)
        told(say, "Prefect's server", found.prefect, server.wait(partial(answers, f"{found.prefect}/api/health")))
        told(say, "Ray, first node", found.ray, head.wait(partial(answers, f"{found.ray}/api/gcs_healthz")))
        agent, health = (f"http://127.0.0.1:{port}" for port in free_ports(2))
        node = _ray_node(start, "ray-worker", folder, agent, f"--address={found.exports['RAY_ADDRESS']}")
        _deploy(found, say)
        told(say, "Ray, second node", agent, node.wait(partial(answers, f"{agent}/api/local_raylet_healthz")))
        worker = _prefect_worker(start, health)
        told(say, "Prefect's worker", f"pool {POOL}", worker.wait(partial(answers, f"{health}/health")))
        yield found


def told(say: Say, what: str, where: str, seconds: float) -> None:
    """A line for the person: what is ready or done, where, and how long it took."""
    say(f"  {what:<18} {where:<40} {seconds:5.1f} s")


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
    """The caller's, without what would lead elsewhere: another lake, server or cluster, keys of another store."""
    kept = {name: value for name, value in os.environ.items() if name in KEPT or not name.startswith(OURS)}
    quiet = {"DO_NOT_TRACK": "1", "PREFECT_SERVER_ANALYTICS_ENABLED": "false", "RAY_USAGE_STATS_ENABLED": "0"}
    alone = {"PREFECT_HOME": str(work / "prefect"), "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return kept | quiet | alone | {"NO_PROXY": "127.0.0.1,localhost", "PYTHONUNBUFFERED": "1", "NO_COLOR": "1"}


def _program(name: str) -> str:
    return str(Path(sysconfig.get_path("scripts")) / name)


def _start(stack: ExitStack, found: Cluster, name: str, program: str, *arguments: str, **own: str) -> Part:
    command = [_program(program), *arguments]
    return stack.enter_context(started(name, command, found.environment | own, found.work / f"{name}.log"))


def _prefect_server(start: Start, found: Cluster) -> Part:
    host, port = found.prefect.removeprefix("http://").split(":")
    own = {
        "PREFECT_UI_API_URL": f"{found.prefect}/api",
        "PREFECT_SERVER_SERVICES_SCHEDULER_ENABLED": "false",  # or the hour would decide what else runs
    }
    return start("prefect-server", "prefect", "server", "start", "--host", host, "--port", port, **own)


def _ray_head(start: Start, found: Cluster, folder: str) -> Part:
    gcs, dashboard = (one.rpartition(":")[2] for one in (found.exports["RAY_ADDRESS"], found.ray))
    agent, client = free_ports(2)
    how = ("--head", f"--port={gcs}", f"--dashboard-port={dashboard}", f"--ray-client-server-port={client}")
    return _ray_node(start, "ray-head", folder, f"http://127.0.0.1:{agent}", *how)


@contextmanager
def _ray_folder(work: Path) -> Iterator[str]:
    """A folder whose name is as short as the paths of Unix's sockets must be; Ray's logs in it are kept in `work`."""
    with tempfile.TemporaryDirectory(prefix="tl", dir="/tmp", ignore_cleanup_errors=True) as short:
        try:
            yield short
        finally:
            for logs in Path(short).glob("session_2*/logs"):
                shutil.copytree(logs, work / "ray", dirs_exist_ok=True, ignore_dangling_symlinks=True)


def _ray_node(start: Start, name: str, folder: str, agent: str, *how: str) -> Part:
    """A node of one core. Two on one machine must not share a port, so that Ray's usual ones are not taken."""
    (metrics,) = free_ports(1)
    own = (f"--dashboard-agent-listen-port={agent.rpartition(':')[2]}", f"--metrics-export-port={metrics}")
    own += (f"--temp-dir={folder}",)
    size = ("--num-cpus=1", f"--object-store-memory={OBJECT_STORE}", "--min-worker-port=0", "--max-worker-port=0")
    return start(name, "ray", "start", "--block", *how, *size, *own)


def _deploy(found: Cluster, say: Say) -> None:
    """What compose.yaml's service `deployments` runs."""
    began = time.monotonic()
    found.run("prefect", "--no-prompt", "work-pool", "create", POOL, "--type", "process", "--overwrite")
    found.run("prefect", "--no-prompt", "deploy", "--all", "--prefect-file", "infra/prefect.yaml")
    told(say, "Deployments", "infra/prefect.yaml", time.monotonic() - began)


def _prefect_worker(start: Start, health: str) -> Part:
    """Beside the Ray nodes, because Ray's driver must be on one."""
    port = health.rpartition(":")[2]
    own = {"PREFECT_WORKER_WEBSERVER_HOST": "127.0.0.1", "PREFECT_WORKER_WEBSERVER_PORT": port}
    own["PREFECT_WORKER_QUERY_SECONDS"] = "2"  # by default a run waits for up to ten
    return start("prefect-worker", "prefect", "worker", "start", "--pool", POOL, "--with-healthcheck", **own)


def _sweep(work: Path) -> None:
    """What a signal caught between its start and our knowing of it, or Ray began while its node was ending."""
    left = processes_of(work)
    for one in left:
        with suppress(psutil.NoSuchProcess):
            one.kill()
    psutil.wait_procs(left, timeout=10)


def processes_of(work: Path) -> list[psutil.Process]:
    """Those of a cluster in that folder: its parts have Prefect's home in their environment, and all they start."""
    found = []
    for one in psutil.process_iter():
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            if (
                one.environ().get("PREFECT_HOME") == str(work / "prefect")
                or f"-dir={work / 'seaweed'}" in one.cmdline()
            ):
                found.append(one)
    return found
