"""Simulated processes: commands as threads of which one runs at a time, with faults at their writes.

A process runs until its turn ends; turns are counted in reads and writes of the lake, so they are the same each time.
A killed process is a thread whose every further read and write raises Killed: what it did before is in the lake,
and what its `finally` blocks would do after is not.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from tests.simulation.clock import SimulatedClock
from tests.simulation.faults import Fault, FaultKind, Killed, store_error

HEARTBEAT_SECONDS = 5.0


@dataclass
class SimulatedProcess:
    """A command that runs on `host`, whose clock is wrong by `offset`."""

    host: str = "host-1"
    offset: timedelta = timedelta()
    fault: Fault | None = None
    meets_fault_at_requests: bool = False  # on S3: its proxy makes the faults, but for STALL
    turns: list[int] = field(default_factory=list)  # numbers of reads and writes until the other process runs
    pid: int = 0  # of its history alone: messages name it, and a seed must give the same ones each time
    writes: int = 0
    requests: int = 0  # to an S3 store, those that change something
    is_dead: bool = False
    has_ended: bool = False
    fault_met: bool = False
    error: BaseException | None = None
    heartbeats: list["SimulatedHeartbeat"] = field(default_factory=list)

    @property
    def is_stalled(self) -> bool:
        return self.fault is not None and self.fault.kind is FaultKind.STALL


class SimulatedHeartbeat:
    """Stands for the thread that a lease starts: its target runs when another process waits."""

    def __init__(self, target: Callable[[], None], event: "BeatEvent") -> None:
        self.target, self.event = target, event
        self.due = 0.0

    def beat(self, now: float) -> None:
        """Run the target up to its next wait, if a heartbeat is due."""
        while self.due <= now:
            self.due += HEARTBEAT_SECONDS
            self.event.budget += 1
            self.event.left = self.event.budget  # the target counts its heartbeats from 1, so it repeats all of them
            self.target()


class BeatEvent:
    """The event on which a heartbeat's thread waits: it wakes up as often as the simulator allows."""

    def __init__(self) -> None:
        self.is_set_ = False
        self.budget = self.left = 0

    def set(self) -> None:
        self.is_set_ = True

    def wait(self, _: float) -> bool:
        """Return False while a heartbeat is to be sent, True to end."""
        if self.is_set_ or not self.left:
            return True
        self.left -= 1
        return False


class Scheduler:
    """Runs one process, or two that take turns."""

    def __init__(self, clock: SimulatedClock) -> None:
        self.clock = clock
        self._current = threading.local()
        self._processes: list[SimulatedProcess] = []
        self._batons: dict[int, threading.Event] = {}

    @property
    def current(self) -> SimulatedProcess | None:
        """The process whose thread this is; None for the simulator itself and helper threads."""
        return getattr(self._current, "process", None)

    @contextmanager
    def acting_as(self, process: SimulatedProcess | None) -> Iterator[None]:
        """Let this thread act for a process inside the `with` block."""
        before = self.current
        self._current.process = process
        try:
            yield
        finally:
            self._current.process = before

    def is_alive(self, host: str, pid: int) -> bool:
        """Tell whether a process of the host has not ended."""
        return any((process.host, process.pid) == (host, pid) and not process.is_dead for process in self._processes)

    def run(self, *commands: tuple[SimulatedProcess, Callable[[], Any]]) -> None:
        """Run commands to their ends; the first one begins. Errors are in the processes."""
        self._processes = [process for process, _ in commands]
        self._batons = {process.pid: threading.Event() for process in self._processes}
        threads = [threading.Thread(target=self._run_one, args=pair) for pair in commands]
        self._batons[self._processes[0].pid].set()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self._processes = []

    def _run_one(self, process: SimulatedProcess, command: Callable[[], Any]) -> None:
        self._batons[process.pid].wait()
        self._current.process = process
        try:
            command()
        except BaseException as error:
            process.error = error
        finally:
            process.is_dead = process.has_ended = True
            self._current.process = None
            for other in self._processes:
                if not other.has_ended:
                    self._batons[other.pid].set()

    def take_turns(self) -> None:
        """Count a read or write of the current process; let the other one run if the turn has ended."""
        process = self.current
        if process is None or not process.turns:
            return
        process.turns[0] -= 1
        if process.turns[0] <= 0:
            process.turns.pop(0)
            self._yield_turn(process)

    def _yield_turn(self, process: SimulatedProcess) -> None:
        others = [other for other in self._processes if other is not process and not other.has_ended]
        if others:
            self._batons[process.pid].clear()
            self._batons[others[0].pid].set()
            self._batons[process.pid].wait()

    def before_read(self, what: str) -> None:
        """Raise what a read meets."""
        process = self.current
        if process is None:
            return
        self._raise_if_dead(process)
        is_away = process.fault_met and process.fault and process.fault.kind is FaultKind.AWAY
        if is_away and not process.meets_fault_at_requests:
            raise store_error(FaultKind.AWAY, what)
        self.take_turns()

    def before_write(self, what: str) -> FaultKind | None:
        """Raise what a write meets; return the fault that happens within the write, if any."""
        process = self.current
        if process is None:
            return None
        self._raise_if_dead(process)
        self.take_turns()
        number, fault = process.writes, process.fault
        process.writes += 1
        if fault is None or number < fault.at_write:
            return None
        if process.meets_fault_at_requests and fault.kind is not FaultKind.STALL:
            return None
        is_first, process.fault_met = not process.fault_met, True
        if fault.kind in (FaultKind.AWAY, FaultKind.DISK_FULL):
            raise store_error(fault.kind, what)
        if not is_first:
            return None
        if fault.kind is FaultKind.KILL:
            process.is_dead = True
            raise Killed(what)
        if fault.kind is FaultKind.STALL:
            self._yield_turn(process)
            return None
        return fault.kind

    def kill_current(self, what: str) -> None:
        """End the current process."""
        process = self.current
        assert process is not None
        process.is_dead = True
        raise Killed(what)

    def _raise_if_dead(self, process: SimulatedProcess) -> None:
        if process.is_dead:
            raise Killed("already ended")

    def sleep(self, seconds: float) -> None:
        """Let time pass: the living processes send their heartbeats, and the store keeps them."""
        self.clock.seconds += seconds
        for process in self._processes:
            if process.is_dead or process.is_stalled:
                continue
            for heartbeat in list(process.heartbeats):
                with self.acting_as(None), suppress(OSError):
                    heartbeat.beat(self.clock.seconds)

    def start_heartbeat(self, heartbeat: SimulatedHeartbeat) -> None:
        heartbeat.due = self.clock.seconds + HEARTBEAT_SECONDS
        if self.current:
            self.current.heartbeats.append(heartbeat)

    def stop_heartbeat(self, heartbeat: SimulatedHeartbeat) -> None:
        if self.current and heartbeat in self.current.heartbeats:
            self.current.heartbeats.remove(heartbeat)
