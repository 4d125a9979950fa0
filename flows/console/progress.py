"""Progress on standard error: a bar on a terminal, else a line every ten seconds."""

import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import ParamSpec, Protocol, TypeVar

import pyarrow as pa
import pyarrow.compute as pc
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.progress import track as rich_track

from schemas.redaction import sanitize

LINE_SECONDS = 10.0
MAX_LOGGED_REASONS = 5
SILENT_BATCHES = 16

T = TypeVar("T")
Arguments = ParamSpec("Arguments")


class TaskWrapper(Protocol):
    """A decorator that records each call as a task, such as Prefect's `task`."""

    def __call__(self, function: Callable[Arguments, T], /) -> Callable[Arguments, T]: ...


def run_directly(function: Callable[Arguments, T]) -> Callable[Arguments, T]:
    """Return the function as it is: the task wrapper of runs that nobody records."""
    return function


def with_progress(items: Iterable[T], description: str, total: int | None = None) -> Iterator[T]:
    """Yield the items behind a progress bar; without a terminal, print `description` once."""
    console = Console(stderr=True)
    if not console.is_terminal:
        print(f"{description} ...", file=sys.stderr, flush=True)
    is_hidden = not console.is_terminal
    yield from rich_track(items, description, total=total, console=console, disable=is_hidden, transient=True)


@contextmanager
def progress_bar(description: str, total: int) -> Iterator[Callable[[], None]]:
    """Show a progress bar; yield the function that advances it by one of `total` steps.

    `total` may be an estimate. Without a terminal, print `description` once.
    """
    console = Console(stderr=True)
    if not console.is_terminal:
        print(f"{description} ...", file=sys.stderr, flush=True)
    with Progress(console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task(description, total=total)
        yield lambda: bar.advance(task)


def with_progress_if_long(batches: Iterable[T], description: str, total: int) -> Iterable[T]:
    """Like `with_progress`, but silent for 16 batches or fewer: they take a second or two."""
    return with_progress(batches, description, total) if total > SILENT_BATCHES else batches


class ProgressReporter:
    """Progress of a run: tracks done, speed (x real time), failures, time left.

    Enter it (`with`) to draw the bar, or without a terminal to print the status line every ten seconds.
    """

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
        self._total = self._done = self._failures = self._pending = 0
        self._audio_seconds = 0.0
        self._started = time.monotonic()
        self._ended = threading.Event()

    def __enter__(self) -> "ProgressReporter":
        self._bar.start()
        if not self._console.is_terminal:
            threading.Thread(target=self._log_status_lines, name="progress-lines", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._bar.stop()

    def log(self, text: str) -> None:
        """Print one line on standard error, above the bar if it is drawn."""
        text = sanitize(text)
        if self._console.is_terminal:
            self._bar.console.print(text, highlight=False, markup=False)
        else:
            print(text, file=sys.stderr, flush=True)

    def expect(self, tracks: int, description: str, verb: str = "embed") -> None:
        """Add `tracks` to the number of tracks to be done, and log it. `verb` says what is done with them."""
        if not self._total:
            self._started = time.monotonic()
        self._total += tracks
        self._bar.update(self._task, total=self._total, visible=True)
        self.log(f"{tracks:,} tracks to {verb}, {description}")

    def advance(self, outcomes: pa.Table) -> None:
        """Count a batch of outcomes (see schemas/embeddings.py) as done."""
        self._done += len(outcomes)
        self._failures += pc.sum(pc.not_equal(outcomes["outcome"], "embedded")).as_py() or 0
        self._audio_seconds += pc.sum(outcomes["duration_s"]).as_py() or 0.0
        self._log_pending(outcomes.filter(pc.equal(outcomes["outcome"], "pending")))
        self._bar.update(self._task, completed=self._done, speed=self._speed(), failures=self._failures)

    @property
    def done_share(self) -> float:
        return self._done / max(1, self._total)

    def status_line(self) -> str:
        """Return the state of the run as one line of text."""
        seconds = time.monotonic() - self._started
        if self._done:
            remaining = f"{seconds * (self._total - self._done) / self._done / 60:.0f} min left"
        else:
            remaining = "starting"
        return (
            f"{self._done:,} of {self._total:,} tracks, {self._speed():.0f}x real time, "
            f"{self._failures} failed, {remaining}"
        )

    def _log_pending(self, outcomes: pa.Table) -> None:
        """Log why tracks stay pending, for the first few of the run only."""
        for row in outcomes.slice(0, max(0, MAX_LOGGED_REASONS - self._pending)).to_pylist():
            self.log(f"track {row['track_id']} stays pending: {row['message']}")
        self._pending += len(outcomes)

    def _speed(self) -> float:
        return self._audio_seconds / max(1e-3, time.monotonic() - self._started)

    def _log_status_lines(self) -> None:
        while not self._ended.wait(LINE_SECONDS):
            if self._total:
                self.log(self.status_line())
