"""The simulated clock: time passes only when somebody waits or the simulator says so."""

from datetime import UTC, datetime, timedelta

START = datetime(2030, 1, 1, tzinfo=UTC)
TICK_SECONDS = 0.001  # every question takes that long, so that no two answers are equal


class SimulatedClock:
    """Seconds since START. `offset` of the process that asks is added to the time of day, never to `monotonic`."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def tick(self) -> float:
        """Return the seconds; they are more each time."""
        self.seconds += TICK_SECONDS
        return self.seconds

    def now(self, offset: timedelta) -> datetime:
        """Return the time of day as a machine sees it whose clock is wrong by `offset`."""
        return START + timedelta(seconds=self.tick()) + offset
