"""The seams of the simulator: every write of the lake passes here before it happens.

Lance writes in Rust, so its calls are wrapped; a commit is one write. Python's own writes are seen by an audit hook,
which the interpreter calls before it opens, renames or removes a file.
"""

import functools
import importlib
import os
import random
import secrets
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import lance

from lake.export import formats
from lake.storage import lease
from lake.takedowns import erase
from schemas import clock
from tests.simulation.faults import FaultKind, store_error
from tests.simulation.processes import BeatEvent, Scheduler, SimulatedHeartbeat

_dataset = importlib.import_module("lance.dataset")  # `lance.dataset` is also a function
_WRITES = {
    _dataset.LanceDataset: (
        *("delete", "update", "restore", "create_index", "create_scalar_index", "drop_index"),
        *("cleanup_old_versions", "alter_columns"),
    ),
    _dataset.MergeInsertBuilder: ("execute", "execute_uncommitted"),
    _dataset.DatasetOptimizer: ("compact_files", "optimize_indices"),
    _dataset.Tags: ("create", "update", "delete"),
}
_WRITING_MODES = frozenset("wxa+")
_active: list["Interception"] = []  # an audit hook cannot be removed: it serves the one that is active


class Interception:
    """Passes writes below `root` through a scheduler while `installed`."""

    def __init__(self, scheduler: Scheduler, root: str) -> None:
        self.scheduler, self.root = scheduler, root

    @contextmanager
    def installed(self, seed: int) -> Iterator[None]:
        """Replace Lance's calls, the clock and the leases' view of processes inside the `with` block."""
        with _replacements(self, random.Random(seed)):
            _active.append(self)
            try:
                yield
            finally:
                _active.remove(self)

    def see_event(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Handle an audit event of Python: a file is about to be opened, renamed or removed."""
        if self.scheduler.current is None:
            return
        path = arguments[0]
        if not isinstance(path, str) or not path.startswith(self.root):
            return
        if event == "open" and not _WRITING_MODES & set(arguments[1] or ""):
            return
        self._write_file(event, path)

    def _write_file(self, event: str, path: str) -> None:
        what = f"{event} {os.path.relpath(path, self.root)}"
        fault = self.scheduler.before_write(what)
        if fault is FaultKind.KILL_INSIDE:
            with self.scheduler.acting_as(None), suppress(OSError):
                if event == "open":
                    Path(path).touch()
                elif event == "shutil.rmtree":
                    _remove_half(Path(path))
            self.scheduler.kill_current(what)
        if fault is FaultKind.ANSWER_LOST:
            raise store_error(fault, what)

    def write_table(self, call: Callable[[], Any], uri: str, what: str) -> Any:
        """Make one of Lance's calls, with the fault that the scheduler wants."""
        fault = self.scheduler.before_write(what)
        with self.scheduler.acting_as(None):  # what the call does within is one write
            before = _manifests(uri) if fault is FaultKind.KILL_INSIDE else set()
            result = call()
            if fault is FaultKind.KILL_INSIDE:
                for path in _manifests(uri) - before:
                    os.unlink(path)
        if fault is FaultKind.KILL_INSIDE:
            self.scheduler.kill_current(what)
        if fault is FaultKind.ANSWER_LOST:
            raise store_error(fault, what)
        return result


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if _active and event in _EVENTS:
        _active[-1].see_event(event, arguments)


_EVENTS = frozenset(("open", "os.rename", "os.remove", "shutil.rmtree"))
sys.addaudithook(_audit)


def _manifests(uri: str) -> set[str]:
    return {str(path) for path in Path(uri, "_versions").glob("*.manifest")}


def _remove_half(folder: Path) -> None:
    """Remove every other file: a kill in the middle of a removal."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    for path in files[::2]:
        path.unlink()


def _uri(target: Any) -> str:
    """Return the path of the table behind one of Lance's objects."""
    for name in ("table_uri", "uri", "_ds", "_dataset"):
        if inner := getattr(target, name, None):
            return inner.removeprefix("file://") if isinstance(inner, str) else _uri(inner)
    return str(target)


def _wrap_write(original: Callable[..., Any], name: str, position: int = 0) -> Callable[..., Any]:
    """Return a Lance call that passes the simulator; the table is its argument at `position`."""

    @functools.wraps(original)
    def wrapper(*arguments: Any, **options: Any) -> Any:
        if not _active or _active[-1].scheduler.current is None:
            return original(*arguments, **options)
        uri = _uri(arguments[position])
        what = f"{name} {os.path.basename(uri)}"
        return _active[-1].write_table(lambda: original(*arguments, **options), uri, what)

    return wrapper


def _wrap_open(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def wrapper(uri: Any, *arguments: Any, **options: Any) -> Any:
        _active[-1].scheduler.before_read(f"open {os.path.basename(str(uri))}")
        return original(uri, *arguments, **options)

    return wrapper


def _wrap_merge_insert(original: Callable[..., Any]) -> Callable[..., Any]:
    """Return `merge_insert` with a builder that remembers its table: Lance's does not."""

    @functools.wraps(original)
    def wrapper(table: Any, *arguments: Any, **options: Any) -> Any:
        builder = original(table, *arguments, **options)
        builder.table_uri = table.uri
        return builder

    return wrapper


@contextmanager
def _replacements(interception: Interception, rng: random.Random) -> Iterator[None]:
    """Wrap Lance; replace the clock, the random ids, and the processes and heartbeats that leases see."""
    scheduler = interception.scheduler
    table = _dataset.LanceDataset
    replacements: list[tuple[Any, str, Any]] = [
        (clock, "now", functools.partial(_now, scheduler)),
        (clock, "monotonic", scheduler.clock.tick),
        (clock, "sleep", scheduler.sleep),
        (secrets, "token_hex", lambda count: rng.randbytes(count).hex()),
        (lease, "os", _ProcessTable(scheduler)),
        (lease, "threading", _Heartbeats(scheduler)),
        (lease, "_this_host", lambda: process.host if (process := scheduler.current) else "observer"),
        (lance, "dataset", _wrap_open(lance.dataset)),
        (lance, "write_dataset", _wrap_write(lance.write_dataset, "write_dataset", 1)),
        (table, "merge_insert", _wrap_merge_insert(table.merge_insert)),
        (table, "commit", staticmethod(_wrap_write(table.commit, "commit"))),
        (erase, "write_fragments", _wrap_write(erase.write_fragments, "write_fragments", 1)),
        (formats, "write_fragments", _wrap_write(formats.write_fragments, "write_fragments", 1)),
    ]
    replacements += [
        (owner, name, _wrap_write(getattr(owner, name), name)) for owner, names in _WRITES.items() for name in names
    ]
    with ExitStack() as stack:
        for owner, name, value in replacements:
            stack.enter_context(patch.object(owner, name, value))
        yield


def _now(scheduler: Scheduler) -> datetime:
    return scheduler.clock.now(scheduler.current.offset if scheduler.current else timedelta())


class _ProcessTable:
    """Stands for the module `os` in lake.storage.lease: it knows the simulated processes."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def getpid(self) -> int:
        return self._scheduler.current.pid if self._scheduler.current else os.getpid()

    def kill(self, pid: int, _: int) -> None:
        """Raise ProcessLookupError if that process of the current host has ended."""
        host = self._scheduler.current.host if self._scheduler.current else "observer"
        if not self._scheduler.is_alive(host, pid):
            raise ProcessLookupError


class _Heartbeats:
    """Stands for the module `threading` in lake.storage.lease."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler

    def Event(self) -> BeatEvent:
        return BeatEvent()

    def Thread(self, target: Callable[[], None], **_: Any) -> "_HeartbeatThread":
        return _HeartbeatThread(self._scheduler, target)


class _HeartbeatThread:
    def __init__(self, scheduler: Scheduler, target: Callable[[], None]) -> None:
        event = target.__self__._stop  # type: ignore[attr-defined]
        self._scheduler = scheduler
        self._heartbeat = SimulatedHeartbeat(target, event) if scheduler.current else None

    def start(self) -> None:
        if self._heartbeat:
            self._scheduler.start_heartbeat(self._heartbeat)

    def join(self) -> None:
        if self._heartbeat:
            self._scheduler.stop_heartbeat(self._heartbeat)
