"""The format number of a lake.

It is the name of an empty file beside the tables. A listing of the lake shows it, so that reading it costs no request
of its own.
"""

import posixpath
import re
from collections.abc import Iterable

from schemas.errors import UserError

FORMAT = 2
FIRST_FORMAT = 1  # lakes of tonelake 0.1 carry no number
_MARKER = re.compile(r"_format_(\d+)")


def marker_name(number: int) -> str:
    """Return the name of the file that gives a lake this format number."""
    return f"_format_{number}"


def format_of(entries: Iterable[str]) -> int | None:
    """Return the format of a lake, read from the paths in its folder.

    None means that there is no table yet. Raises UserError if a newer tonelake wrote the lake.
    """
    names = {posixpath.basename(entry.rstrip("/")) for entry in entries}
    numbers = [int(match[1]) for name in names if (match := _MARKER.fullmatch(name))]
    if max(numbers, default=0) > FORMAT:
        raise UserError(
            f"this lake has format {max(numbers)}, and this tonelake reads formats up to {FORMAT}: "
            "install the newer tonelake that wrote it (docs/upgrading.md)"
        )
    if numbers:
        return max(numbers)
    return FIRST_FORMAT if any(name.endswith(".lance") for name in names) else None
