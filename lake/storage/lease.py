"""One writer a table: a lease that lives beside the tables, on a local disk or in object storage.

A lease is a file `_leases/{table}/{number}.json`; the highest number holds. Taking it means creating the next number,
which the file system or the store grants to one comer alone. The number fences: a holder that was replaced finds a
higher one before its next commit. No clock is compared between machines: a holder is dead when its process is gone
on this host, or when its heartbeat stood still for a minute of the waiter's own time.

Whoever writes into a lake holds a lease in it. Who removes files that no version names holds SWEEP first, and then
every other lease: a writer takes its own and then looks whether a sweep is on, so that one of the two sees the other.
"""

import json
import os
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace

from lake.storage.lake import OUT_OF_REACH, Lake
from schemas.errors import UserError

SWEEP = "sweep"
HEARTBEAT_SECONDS = 5.0
SILENCE_SECONDS = 60.0


class LeaseLost(UserError):
    """Another writer has taken over: nothing more may be committed by this one."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a lease, as written in its file."""

    run_id: str
    host: str
    pid: int
    beat: int = 0
    released: bool = False

    def is_gone(self) -> bool:
        """Released, or a process of this host that no longer runs."""
        if self.released:
            return True
        if self.host != _this_host():
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            return False
        return False


def _this_host() -> str:
    """Where a process number means something: containers may share a host name but not their processes."""
    try:
        return f"{socket.gethostname()} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return socket.gethostname()


class Lease:
    """Holds one table for one run, from `with` to its end. `check` before every commit."""

    def __init__(self, lake: Lake, table: str, run_id: str, say: Callable[[str], None]) -> None:
        self._lake = lake
        self._files = lake.files()
        self._local = not lake.uri.startswith("s3://")
        self._folder = f"{lake.uri}/_leases/{table}"
        self._table = table
        self._holder = Holder(run_id, _this_host(), os.getpid())
        self._say = say
        self._stop = threading.Event()
        self.number = 0

    def __enter__(self) -> "Lease":
        while not self._take():
            pass
        self._thread = threading.Thread(target=self._beat, name="lease-heartbeat", daemon=True)
        self._thread.start()
        try:
            self._yield_to_sweep()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        with suppress(*OUT_OF_REACH):  # what ended the run is to be told: this process is gone soon, and so its lease
            self._lake.require_answer()
            if self._highest() == self.number:
                self._write(replace(self._holder, released=True))

    def check(self) -> None:
        """Raises LeaseLost when a higher number has been taken."""
        if self._highest() != self.number:
            raise LeaseLost(f"another run took over the table {self._table}; run the same command again to finish")

    def holder(self) -> Holder | None:
        """Who took the table last and has not released it, alive or not; this lease need not be held."""
        highest = self._highest()
        holder = self._read(highest) if highest else None
        return None if holder is None or holder.released else holder

    def _take(self) -> bool:
        """One try; False when another comer was quicker. Waits for a silent holder; UserError names a living one."""
        highest = self._highest()
        if highest and not self._read(highest).is_gone():
            self._wait_for_silence(highest)
        self._files.makedirs(self._folder, exist_ok=True)
        if not self._create(highest + 1):
            return False
        self.number = highest + 1
        for old in range(max(1, highest - 8), highest):  # the last holder's file stays, for whoever looks
            if self._files.exists(self._path(old)):
                self._files.rm_file(self._path(old))
        return True

    def _yield_to_sweep(self) -> None:
        """UserError while another run removes files that no version names: this one's are not named yet."""
        if self._table == SWEEP:
            return
        sweep = Lease(self._lake, SWEEP, self._holder.run_id, self._say)
        number = sweep._highest()
        holder = sweep._read(number)
        if number and holder.run_id != self._holder.run_id and not holder.is_gone():
            sweep._wait_for_silence(number)

    def _wait_for_silence(self, number: int) -> None:
        holder = self._read(number)
        who = f"run {holder.run_id} (process {holder.pid} on {holder.host})"
        self._say(f"{self._table} is held by {who}; waiting up to {SILENCE_SECONDS:.0f} s for a sign of life")
        silent_until = time.monotonic() + SILENCE_SECONDS
        while time.monotonic() < silent_until:
            time.sleep(min(1.0, SILENCE_SECONDS / 10))
            now = self._read(number)
            if now.is_gone() or self._highest() != number:
                return
            if now.beat != holder.beat:
                raise UserError(f"{who} is writing {self._table}: wait for it to end, or stop it, then run this again")

    def _beat(self) -> None:
        holder = self._holder
        while not self._stop.wait(HEARTBEAT_SECONDS):
            holder = replace(holder, beat=holder.beat + 1)
            try:
                self._write(holder)
            except OUT_OF_REACH:  # the next beat tries again; a minute of them is what others wait for
                continue

    def _path(self, number: int) -> str:
        return f"{self._folder}/{number:012d}.json"

    def _highest(self) -> int:
        try:
            names = self._files.ls(self._folder, detail=False)
        except FileNotFoundError:
            return 0
        return max((int(name.rsplit("/", 1)[1][:-5]) for name in names if name.endswith(".json")), default=0)

    def _read(self, number: int) -> Holder:
        try:
            return Holder(**json.loads(self._files.cat_file(self._path(number))))
        except FileNotFoundError:
            return Holder("", "", 0, released=True)
        except json.JSONDecodeError:  # made this instant, its text not yet written
            return Holder("just starting", "", 0)

    def _write(self, holder: Holder) -> None:
        """The text of one's own lease; whole for every reader, on a local disk too."""
        path, text = self._path(self.number), json.dumps(asdict(holder)).encode()
        if self._local:
            self._files.pipe_file(f"{path}.new", text)
            os.replace(f"{path}.new", path)
        else:
            self._files.pipe_file(path, text)

    def _create(self, number: int) -> bool:
        path, text = self._path(number), json.dumps(asdict(self._holder)).encode()
        if self._local:
            return _made(path, text)
        try:
            self._files.pipe_file(path, text, mode="create")
        except OSError:  # a store may word its refusal in its own way
            if not self._files.exists(path):
                raise
            # A put whose answer was lost is put again, and refused then because of itself.
            return self._read(number) == self._holder
        return True


def _made(path: str, text: bytes) -> bool:
    """Makes a local file, or says False: fsspec's own "create" looks first and writes then; "x" is one step.

    On a full disk the file goes again: its next comer would take it for that of a holder who is just starting.
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


def leases(lake: Lake) -> list[str]:
    """What leases were ever taken on in this lake, sorted: names of tables and of whatever else has one writer."""
    try:
        return sorted(
            name.rstrip("/").rsplit("/", 1)[1] for name in lake.files().ls(f"{lake.uri}/_leases", detail=False)
        )
    except FileNotFoundError:
        return []


def unreleased(lake: Lake) -> dict[str, Holder]:
    """The last holder of each lease that was not given back: at work, or dead."""
    holders = {name: Lease(lake, name, "", _quiet).holder() for name in leases(lake)}
    return {name: holder for name, holder in holders.items() if holder}


def dead(lake: Lake, held: dict[str, Holder]) -> dict[str, Holder]:
    """Of unreleased leases those whose holder is gone: at once for processes of this host, else by their silence."""
    silent = {name: holder for name, holder in held.items() if holder.is_gone() or holder.host != _this_host()}
    patience = time.monotonic() + SILENCE_SECONDS
    while any(not holder.is_gone() for holder in silent.values()) and time.monotonic() < patience:
        time.sleep(min(1.0, SILENCE_SECONDS / 10))
        now = unreleased(lake)
        silent = {name: holder for name, holder in silent.items() if now.get(name) == holder}
    return silent


def _quiet(_: str) -> None:
    """Of a lease that is only looked at there is nothing to say."""
