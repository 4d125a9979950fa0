"""The clock. The lake asks here what time it is and waits here, so that tests can set the time."""

import time
from datetime import UTC, datetime


def now() -> datetime:
    """Return the time of this machine, in UTC. Never compare it with another machine's."""
    return datetime.now(UTC)


def monotonic() -> float:
    """Return seconds since any start; they never run backwards."""
    return time.monotonic()


def sleep(seconds: float) -> None:
    """Wait so many seconds."""
    time.sleep(seconds)
