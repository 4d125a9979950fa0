"""Leases: one writer a table. They are files beside the tables, on a local disk or in object storage.

A lease is a file `_leases/{name}/{number}.json`; the highest number holds it. A run takes a lease by creating the
next number, which the file system or the store grants to one run only. The number is the fencing token: a holder that
was replaced finds a higher one before its next commit. Clocks of two machines are never compared: a holder has expired
if its process on this host is gone, or its heartbeat did not move for LEASE_TIMEOUT_SECONDS of the waiter's clock.

Every writer holds a lease of its lake. A run that removes unreferenced files takes SWEEP first and then every other
lease. A writer takes its own lease first and then checks SWEEP. So one of the two always sees the other.

A holder may stand still between its last check and its commit. So a run that replaces a silent holder fences its
tables: it restores their newest versions. Lance refuses a commit if a restore came after its table was opened. So a
writer opens a table first, then checks the lease, then commits.
"""

import hashlib
import json
import os
import socket
import threading
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from enum import StrEnum

from lake.storage.corruption import CorruptTableError
from lake.storage.lake import STORAGE_ERRORS, Lake
from schemas import clock
from schemas.errors import UserError
from schemas.log import Log

HEARTBEAT_SECONDS = 5.0
LEASE_TIMEOUT_SECONDS = 60.0
_OLD_FILES = 8  # the number of earlier lease files that a new holder removes


class LeaseName(StrEnum):
    """The leases that are not named after an encoder's table. Their values are folder names in every lake."""

    SWEEP = "sweep"  # the removal of unreferenced files
    MAINTAIN = "maintain"  # a maintenance, in the main lake
    PROMOTE = "promote"  # a promotion or rollback: its gate reads for minutes a snapshot that no tag keeps yet
    FINGERPRINTS = "fingerprints"  # the computation of fingerprints
    RELEASES = "releases"  # the table of releases
    EVALUATIONS = "evaluations"  # the table of evaluations
    PLAYLISTS = "playlists"  # an evaluation of playlist continuation


def training_lease(folder: str) -> str:
    """Return the name of the lease of the training that writes to `folder`."""
    return f"train-{hashlib.sha256(folder.encode()).hexdigest()[:8]}"


def export_lease(uri: str) -> str:
    """Return the name of the lease of an export to `uri`. Of two exports to one destination one is refused."""
    return f"export-{hashlib.sha256(uri.encode()).hexdigest()[:12]}"


class LeaseLost(UserError):
    """Another run has taken the lease: this one must not commit any more."""


@dataclass(frozen=True, slots=True)
class Holder:
    """The holder of a lease, as written to the lease's file. `beat` counts its heartbeats."""

    run_id: str
    host: str
    pid: int
    beat: int = 0
    released: bool = False

    def is_gone(self) -> bool:
        """Tell whether it released the lease or, on this host, its process has ended."""
        if self.released:
            return True
        if not self.is_here():
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            return False
        return False

    def is_here(self) -> bool:
        """Tell whether its process runs, or ran, on this host."""
        return self.host == _this_host()


def _this_host() -> str:
    """Return the host's name and PID namespace. Containers may share a host name but not their processes."""
    try:
        return f"{socket.gethostname()} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return socket.gethostname()


class Lease:
    """A lease that one run holds inside the `with` block. Call `check` before every commit.

    `name` is a table or a `LeaseName`. `log` receives one line when the lease has to be waited for.
    """

    def __init__(self, lake: Lake, name: str, run_id: str, log: Log, *, for_upgrade: bool = False) -> None:
        self._lake = lake
        self._for_upgrade = for_upgrade  # only the upgrade itself writes into a lake of an older format
        self._files = lake.file_system()
        self._is_local = not lake.uri.startswith("s3://")
        self._folder = f"{lake.uri}/_leases/{name}"
        self._name = name
        self._holder = Holder(run_id, _this_host(), os.getpid())
        self._log = log
        self._stop = threading.Event()
        self.number = 0
        self.has_silent_rival = False  # the holder before sends no heartbeats, but its process may still run

    def __enter__(self) -> "Lease":
        self._require_format()
        while not self._try_to_take():
            pass
        self._thread = threading.Thread(target=self._send_heartbeats, name="lease-heartbeat", daemon=True)
        self._thread.start()
        try:
            self._require_format()  # again: an upgrade may have ended while this one waited
            self._yield_to_sweep()
            if self.has_silent_rival:
                fence_tables(self._lake, _tables_of_lease(self._name))
        except BaseException:
            self.__exit__()
            raise
        return self

    def _require_format(self) -> None:
        if not self._for_upgrade:
            self._lake.require_current_format()

    def __exit__(self, _: object = None, error: BaseException | None = None, *__: object) -> None:
        self._stop.set()
        self._thread.join()
        is_lost = False
        # A storage error here must not hide the error that ended the run; the lease ends with this process anyway.
        with suppress(*STORAGE_ERRORS):
            self._lake.require_store()
            is_lost = self._highest_number() != self.number
            if not is_lost:
                self._write(replace(self._holder, released=True))
        if is_lost and isinstance(error, Exception) and not isinstance(error, UserError):
            raise self._loss() from error  # a fence stopped a commit, or the table changed beneath this run

    def check(self) -> None:
        """Make sure that this run still holds the lease. Raises LeaseLost if another one has taken it.

        Call it between the opening of a table and the commit.
        """
        if self._highest_number() != self.number:
            raise self._loss()

    def _loss(self) -> LeaseLost:
        return LeaseLost(f"another run took over the table {self._name}; run the same command again to finish")

    def current_holder(self) -> Holder | None:
        """Return the last holder that did not release the lease, alive or not.

        This object need not hold the lease.
        """
        highest = self._highest_number()
        holder = self._read(highest) if highest else None
        return None if holder is None or holder.released else holder

    def _try_to_take(self) -> bool:
        """Try once; return False if another run was quicker. Wait for a silent holder.

        Raises UserError, which names the holder, if the holder is alive.
        """
        highest = self._highest_number()
        self.has_silent_rival = bool(highest) and not self._read(highest).is_gone()
        if self.has_silent_rival:
            self._wait_for_timeout(highest)
            self.has_silent_rival = not self._read(highest).is_gone()
        self._files.makedirs(self._folder, exist_ok=True)
        if not self._create(highest + 1):
            return False
        self.number = highest + 1
        for old in range(max(1, highest - _OLD_FILES), highest):  # the last holder's file stays, for other readers
            with suppress(FileNotFoundError):  # gone already, or another run is quicker
                self._files.rm_file(self._path(old))
        return True

    def _yield_to_sweep(self) -> None:
        """Raise UserError while another run sweeps. Files that this run writes are unreferenced until its commit."""
        if self._name == LeaseName.SWEEP:
            return
        sweep = Lease(self._lake, LeaseName.SWEEP, self._holder.run_id, self._log)
        if not (number := sweep._highest_number()):
            return
        holder = sweep._read(number)
        if holder.run_id != self._holder.run_id and not holder.is_gone():
            sweep._wait_for_timeout(number)

    def _wait_for_timeout(self, number: int) -> None:
        """Return once the holder of `number` has expired or was replaced. Raises UserError if it sends a heartbeat."""
        holder = self._read(number)
        title = f"run {holder.run_id} (process {holder.pid} on {holder.host})"
        self._log(f"{self._name} is held by {title}; waiting up to {LEASE_TIMEOUT_SECONDS:.0f} s for a heartbeat")
        deadline = clock.monotonic() + LEASE_TIMEOUT_SECONDS
        while clock.monotonic() < deadline:
            clock.sleep(min(1.0, LEASE_TIMEOUT_SECONDS / 10))
            now = self._read(number)
            if now.is_gone() or self._highest_number() != number:
                return
            if now.beat != holder.beat:
                raise UserError(
                    f"{title} is writing {self._name}: wait for it to end, or stop it, then run this again"
                )

    def _send_heartbeats(self) -> None:
        holder = self._holder
        while not self._stop.wait(HEARTBEAT_SECONDS):
            holder = replace(holder, beat=holder.beat + 1)
            try:
                self._write(holder)
            except STORAGE_ERRORS:  # the next heartbeat tries again, well within LEASE_TIMEOUT_SECONDS
                continue

    def _path(self, number: int) -> str:
        return f"{self._folder}/{number:012d}.json"

    def _highest_number(self) -> int:
        """Return the highest number that was taken, 0 if there is none."""
        try:
            paths = self._files.ls(self._folder, detail=False)
        except FileNotFoundError:
            return 0
        return max((int(path.rsplit("/", 1)[1][:-5]) for path in paths if path.endswith(".json")), default=0)

    def _read(self, number: int) -> Holder:
        try:
            return Holder(**json.loads(self._files.cat_file(self._path(number))))
        except FileNotFoundError:
            return Holder("", "", 0, released=True)
        except json.JSONDecodeError:  # created just now, the text is not written yet
            return Holder("just starting", "", 0)

    def _write(self, holder: Holder) -> None:
        """Replace the text of this run's lease file in one step."""
        path, text = self._path(self.number), json.dumps(asdict(holder)).encode()
        if self._is_local:
            self._files.pipe_file(f"{path}.new", text)
            os.replace(f"{path}.new", path)
        else:
            self._files.pipe_file(path, text)

    def _create(self, number: int) -> bool:
        """Create the lease file of `number`; return False if another run has created it."""
        path, text = self._path(number), json.dumps(asdict(self._holder)).encode()
        if self._is_local:
            return _create_local_file(path, text)
        try:
            self._files.pipe_file(path, text, mode="create")
        except OSError:  # stores word a refused create differently
            if not self._files.exists(path):
                raise
            # If the answer to a put is lost, s3fs repeats the put, and the store refuses it because of the first.
            return self._read(number) == self._holder
        return True


def fence_tables(lake: Lake, names: Iterable[str]) -> None:
    """Make every commit fail whose table was opened before. The caller holds the leases of the tables."""
    for name in names:
        with suppress(CorruptTableError):  # it is repaired first
            if (table := lake.find_table(name)) is not None:  # an empty table is false
                table.restore()  # type: ignore[no-untyped-call]


def _tables_of_lease(name: str) -> list[str]:
    """Return the names of the tables that only this lease's holder writes."""
    _, _, version = name.partition("__")
    return [f"{kind}__{version}" for kind in ("embeddings", "windows", "vanished")] if version else [name]


def _create_local_file(path: str, text: bytes) -> bool:
    """Create a file in one step; return False if it exists.

    fsspec's own "create" checks first and writes then. If the disk is full the file is removed: the next run would
    take an empty one for that of a starting holder.
    """
    try:
        with open(path, "xb") as file:
            try:
                file.write(text)
                file.flush()
            except OSError:
                os.unlink(path)
                raise
    except FileExistsError:
        return False
    return True
