"""An S3 store behind one proxy for each simulated process: there the requests are the places for faults."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from schemas.settings import S3Settings
from tests.fault_proxy import FaultProxy
from tests.simulation.faults import FaultKind
from tests.simulation.processes import SimulatedProcess

REQUESTS_PER_WRITE = 3  # a commit of Lance is a data file, a transaction and a manifest at least
_CHANGING = ("PUT", "POST", "DELETE")
_DENIED, _LOST = "denied", "lost"


@dataclass
class ProcessProxy(FaultProxy):
    """The way of one process at a time to the store. Nothing of a killed process passes."""

    process: SimulatedProcess | None = None
    _counting: threading.Lock = field(default_factory=threading.Lock)

    def choose_fault(self, request: str) -> str:
        """Choose the fault of the next request by the fault of the process; "" for none."""
        if self.process is None:
            return ""
        with self._counting:
            return self._next_fault(self.process, changes=request.startswith(_CHANGING))

    def _next_fault(self, process: SimulatedProcess, *, changes: bool) -> str:
        if process.is_dead:
            return _DENIED
        fault, number = process.fault, process.requests
        process.requests += changes
        if fault is None or fault.kind is FaultKind.STALL:
            return ""
        is_first = changes and number == fault.at_write * REQUESTS_PER_WRITE
        process.fault_met |= is_first
        if not process.fault_met:
            return ""
        if fault.kind in (FaultKind.KILL, FaultKind.KILL_INSIDE):
            process.is_dead = True
            return _DENIED if fault.kind is FaultKind.KILL else _LOST
        if fault.kind is FaultKind.ANSWER_LOST:
            return _LOST if is_first else ""
        return _DENIED if changes or fault.kind is FaultKind.AWAY else ""


@dataclass(frozen=True, slots=True)
class SimulatedStore:
    """An S3 store: `settings` reach it directly, `proxies` for one process each."""

    settings: S3Settings
    proxies: tuple[ProcessProxy, ...]

    def settings_of(self, number: int) -> S3Settings:
        """Return the settings of the process at a position."""
        return self.settings.model_copy(update={"endpoint_url": self.proxies[number].endpoint})


@contextmanager
def open_store(settings: S3Settings, processes: int = 2) -> Iterator[SimulatedStore]:
    """Start the proxies before the store that `settings` name."""
    with ExitStack() as stack:
        proxies = [stack.enter_context(ProcessProxy(settings.endpoint_url or "")) for _ in range(processes)]
        yield SimulatedStore(settings, tuple(proxies))
