"""What a person sees of long work: a bar on a terminal, a line every ten seconds elsewhere. All on standard error."""

import sys
import threading
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

import pyarrow as pa
import pyarrow.compute as pc
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.progress import track as rich_track

from schemas.redaction import for_person

LINE_SECONDS = 10.0
TOLD_AT_MOST = 5
BATCHES_UNTOLD = 16


Work = TypeVar("Work")


def track(work: Iterable[Work], what: str, total: int | None = None) -> Iterator[Work]:
    """Draws a bar on a terminal while `work` is gone through; elsewhere a line says what is begun."""
    console = Console(stderr=True)
    if not console.is_terminal:
        print(f"{what} ...", file=sys.stderr, flush=True)
    yield from rich_track(work, what, total=total, console=console, disable=not console.is_terminal, transient=True)


def track_many(batches: Iterable[Work], what: str, total: int) -> Iterable[Work]:
    """The same for what a second or two passes by: fewer than seventeen batches are gone through without a word."""
    return track(batches, what, total) if total > BATCHES_UNTOLD else batches


class Watch:
    """Follows a run: tracks done, x real time, failures, time left. Open it with `with` for the bar to be drawn."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[speed]:.0f}x real time, {task.fields[failures]} failed"),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._task = self._bar.add_task("tracks", total=0, speed=0.0, failures=0, visible=False)
        self._total = self._done = self._failures = self._told = 0
        self._audio_seconds = 0.0
        self._started = time.monotonic()
        self._ended = threading.Event()

    def __enter__(self) -> "Watch":
        self._bar.start()
        if not self._console.is_terminal:
            threading.Thread(target=self._lines, name="progress-lines", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._bar.stop()

    def say(self, text: str) -> None:
        """A line for the person, now."""
        text = for_person(text)
        if self._console.is_terminal:
            self._bar.console.print(text, highlight=False, markup=False)
        else:
            print(text, file=sys.stderr, flush=True)

    def expect(self, tracks: int, what: str) -> None:
        """So many more tracks are to be done."""
        if not self._total:
            self._started = time.monotonic()
        self._total += tracks
        self._bar.update(self._task, total=self._total, visible=True)
        self.say(f"{tracks:,} tracks to embed, {what}")

    def advance(self, outcomes: pa.Table) -> None:
        """A batch of outcomes has come."""
        self._done += len(outcomes)
        self._failures += pc.sum(pc.not_equal(outcomes["outcome"], "embedded")).as_py() or 0
        self._audio_seconds += pc.sum(outcomes["duration_s"]).as_py() or 0.0
        self._tell(outcomes.filter(pc.equal(outcomes["outcome"], "pending")))
        self._bar.update(self._task, completed=self._done, speed=self._speed(), failures=self._failures)

    @property
    def done_share(self) -> float:
        return self._done / max(1, self._total)

    def line(self) -> str:
        """The state in a line."""
        seconds = time.monotonic() - self._started
        left = f"{seconds * (self._total - self._done) / self._done / 60:.0f} min left" if self._done else "starting"
        return (
            f"{self._done:,} of {self._total:,} tracks, {self._speed():.0f}x real time, "
            f"{self._failures} failed, {left}"
        )

    def _tell(self, lost: pa.Table) -> None:
        """Why tracks stay pending; the first few stand for the others."""
        for row in lost.slice(0, max(0, TOLD_AT_MOST - self._told)).to_pylist():
            self.say(f"track {row['track_id']} stays pending: {row['message']}")
        self._told += len(lost)

    def _speed(self) -> float:
        return self._audio_seconds / max(1e-3, time.monotonic() - self._started)

    def _lines(self) -> None:
        while not self._ended.wait(LINE_SECONDS):
            if self._total:
                self.say(self.line())
