"""Files that a person asked for: whole in their place, or not there."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def writing(out: Path) -> Iterator[Path]:
    """A path beside `out` to write to; it takes the place of `out` at the end, and is removed where that fails."""
    out.parent.mkdir(parents=True, exist_ok=True)
    unfinished = out.with_name(f".{out.name}.part")
    try:
        yield unfinished
        unfinished.replace(out)
    finally:
        unfinished.unlink(missing_ok=True)
