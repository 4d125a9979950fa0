"""Output files that a user asked for: complete, or not there at all."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def write_atomically(out: Path) -> Iterator[Path]:
    """Yield a temporary path beside `out`; rename it on success, delete it on failure."""
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = out.with_name(f".{out.name}.part")
    try:
        yield temporary
        temporary.replace(out)
    finally:
        temporary.unlink(missing_ok=True)
