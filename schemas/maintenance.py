"""What `doctor` finds and what `maintain` did."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """`count` rows, files or runs that break the invariant `check`; `run` is the command that mends it.

    `drop` are SQL filters on the table: `maintain --mend` drops the rows they select.
    """

    check: str
    lake: str
    table: str
    count: int
    what: str
    run: str
    drop: tuple[str, ...] = ()

    def row(self) -> dict[str, str | int]:
        """For people and for JSON."""
        return {name: getattr(self, name) for name in ("check", "lake", "table", "count", "what", "run")}


@dataclass(frozen=True, slots=True)
class Care:
    """What was done to one table, or would be: `skipped` says who holds it. Bytes are all files of its folder."""

    lake: str
    table: str
    done: tuple[str, ...]
    bytes_before: int
    bytes_after: int
    skipped: str = ""

    def row(self) -> dict[str, str | int]:
        """For people and for JSON."""
        done = f"skipped: {self.skipped}" if self.skipped else "; ".join(self.done) or "nothing to do"
        told = {"lake": self.lake, "table": self.table, "done": done}
        return told | {"bytes_before": self.bytes_before, "bytes_after": self.bytes_after}
