"""Findings of `doctor` and results of `maintain`."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """A broken invariant, `check`: `count` rows, files or runs break it.

    `run` is the command that repairs it. `drop` are SQL filters on the table: `maintain --repair` deletes the rows
    that they select. `sources` are no sources any more: it takes their tracks out of search.
    """

    check: str
    lake: str
    table: str
    count: int
    what: str
    run: str
    drop: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()

    def row(self) -> dict[str, str | int]:
        """Return the row for output."""
        return {name: getattr(self, name) for name in ("check", "lake", "table", "count", "what", "run")}


@dataclass(frozen=True, slots=True)
class MaintenanceResult:
    """What `maintain` did to one table, or would do.

    `skipped` names the run that holds its lease. The bytes are those of all files in its folder.
    """

    lake: str
    table: str
    done: tuple[str, ...]
    bytes_before: int
    bytes_after: int
    skipped: str = ""

    def row(self) -> dict[str, str | int]:
        """Return the row for output."""
        done = f"skipped: {self.skipped}" if self.skipped else "; ".join(self.done) or "nothing to do"
        return {
            "lake": self.lake,
            "table": self.table,
            "done": done,
            "bytes_before": self.bytes_before,
            "bytes_after": self.bytes_after,
        }
