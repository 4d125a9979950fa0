"""The faults of a simulated process, and the places where they happen."""

from dataclasses import dataclass
from enum import StrEnum


class FaultKind(StrEnum):
    """What happens at a write of the lake. A place is before a write: after one write is before the next."""

    KILL = "kill"  # the process ends before the write
    KILL_INSIDE = "kill inside"  # it ends within: files are written, their commit is not; a file is empty
    ANSWER_LOST = "answer lost"  # the write is done, and reported as failed
    AWAY = "store away"  # this and every later read and write of the command fails
    DISK_FULL = "disk full"  # this and every later write of the command fails
    STALL = "stall"  # the process stands still, without heartbeats, while another command runs


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault at the write number `at_write` of a command, counted from 0."""

    kind: FaultKind
    at_write: int

    def __str__(self) -> str:
        return f"{self.kind} at write {self.at_write}"


class Killed(BaseException):
    """The simulated process has ended: nothing of it runs any more that could reach the lake."""


def store_error(kind: FaultKind, what: str) -> OSError:
    """Return the error that the operating system or Lance reports for a fault."""
    if kind is FaultKind.DISK_FULL:
        return OSError(28, f"No space left on device (os error 28): {what}")
    return OSError(5, f"Input/output error (os error 5): {what}")
