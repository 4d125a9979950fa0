"""A real S3 server for the tests: SeaweedFS on free loopback ports, which can be killed and restarted."""

import json
import random
import signal
import socket
import subprocess
import sysconfig
import time
from pathlib import Path

import s3fs
from botocore.exceptions import BotoCoreError

ACCESS_KEY = "testkey"
SECRET_KEY = "testsecret123"
REGION = "us-east-1"
BUCKET = "lake"
SERVICES = ("s3", "master", "volume", "filer", "admin")
READY_SECONDS = 60.0
GRPC_OFFSET = 10_000  # SeaweedFS gives each service a second port, this much above the first


class Seaweed:
    """One `weed mini` with a separate folder and ports, used as a context manager or by start() and stop()."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.ports = dict(zip(SERVICES, free_ports(len(SERVICES)), strict=True))
        self.endpoint = f"http://127.0.0.1:{self.ports['s3']}"
        self._process: subprocess.Popen | None = None

    def start(self) -> None:
        """Start the server on its folder, and return once it has stored an object."""
        if self._process:
            raise RuntimeError("SeaweedFS is already running: stop() or kill() it first")
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "s3.json").write_text(json.dumps(_identities()))
        with (self.folder / "weed.log").open("ab") as log:
            self._process = subprocess.Popen(self._command(), stdout=log, stderr=log, cwd=self.folder)
        try:
            self._wait()
        except BaseException:
            self.kill()
            raise

    def kill(self) -> None:
        """Kill the server, like a power cut. start() brings it back with the data that it had confirmed."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Ask the server to end, and kill it after ten seconds."""
        try:
            self._end(signal.SIGTERM)
        except subprocess.TimeoutExpired:
            self.kill()
        for service, port in self.ports.items():  # no option changes their location
            Path(f"/tmp/seaweedfs-{service}-grpc-{port + GRPC_OFFSET}.sock").unlink(missing_ok=True)

    def environment(self) -> dict[str, str]:
        """Return the AWS_* variables for clients of this server."""
        return {
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_REGION": REGION,
            "AWS_ENDPOINT_URL": self.endpoint,
        }

    def filesystem(self, read_timeout: float = 5) -> s3fs.S3FileSystem:
        """Return a new client, for tests that read the stored objects themselves."""
        return s3fs.S3FileSystem(
            key=ACCESS_KEY,
            secret=SECRET_KEY,
            client_kwargs={"endpoint_url": self.endpoint, "region_name": REGION},
            config_kwargs={"retries": {"max_attempts": 1}, "connect_timeout": 2, "read_timeout": read_timeout},
            use_listings_cache=False,
            skip_instance_cache=True,
        )

    def __enter__(self) -> "Seaweed":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _command(self) -> list[str]:
        ports = [f"-{service}.port={port}" for service, port in self.ports.items()]
        grpc = [f"-{service}.port.grpc={port + GRPC_OFFSET}" for service, port in self.ports.items()]
        # Paths of Unix sockets have to be short, and pytest's folders are deep: these are relative to the folder.
        sockets = ["-s3.localSocket=s3.sock", "-filer.localSocket=filer.sock"]
        closed = ["-admin.ui=false", "-webdav=false", "-s3.port.iceberg=0", "-s3.port.lance=0"]
        loopback = ["-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-master.telemetry=false"]
        config = [f"-dir={self.folder}", f"-s3.config={self.folder / 's3.json'}", f"-bucket={BUCKET}"]
        weed = Path(sysconfig.get_path("scripts")) / "weed"
        return [str(weed), "-logtostderr=true", "mini", *config, *loopback, *closed, *sockets, *ports, *grpc]

    def _wait(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while True:
            try:
                self.filesystem(read_timeout=1).pipe_file(f"{BUCKET}/ready", b"yes")  # a first put may hang
            except (OSError, BotoCoreError):
                ended = self._process.poll() is not None
                if ended or time.monotonic() > deadline:
                    raise RuntimeError(f"SeaweedFS did not start:\n{self._log_end()}") from None
                time.sleep(0.1)
            else:
                return

    def _end(self, signal_number: signal.Signals) -> None:
        if self._process:
            self._process.send_signal(signal_number)
            self._process.wait(timeout=10)
            self._process = None

    def _log_end(self) -> str:
        return (self.folder / "weed.log").read_text(errors="replace")[-2000:]


def free_ports(count: int) -> list[int]:
    """Return ports that are free now, and whose ports GRPC_OFFSET above are free too.

    Both are below the range that systems give to clients, so that they are still free after a kill.
    """
    sockets: list[socket.socket] = []
    ports: list[int] = []
    try:
        while len(ports) < count:
            port = random.randrange(10_001, 22_000)
            try:
                sockets += [_bind(port), _bind(port + GRPC_OFFSET)]
            except OSError:
                continue
            ports.append(port)
    finally:
        for bound in sockets:
            bound.close()
    return ports


def _bind(port: int) -> socket.socket:
    bound = socket.socket()
    try:
        bound.bind(("127.0.0.1", port))
    except OSError:
        bound.close()
        raise
    return bound


def _identities() -> dict[str, list[dict[str, object]]]:
    credentials = [{"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}]
    actions = ["Admin", "Read", "List", "Tagging", "Write"]
    return {"identities": [{"name": "admin", "credentials": credentials, "actions": actions}]}
