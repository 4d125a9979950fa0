"""Parts of a file that a client wants: Range and If-Range of RFC 9110."""

import re
from collections.abc import Mapping

_RANGE = re.compile(r"bytes=\s*(\d*)\s*-\s*(\d*)\s*")


class Unsatisfiable(Exception):
    """The client asks for bytes behind the end."""


def requested_range(headers: Mapping[str, str], size: int, etag: str) -> tuple[int, int] | None:
    """Return the first byte that a client wants and the one behind the last.

    None stands for the whole file: several ranges, other units and what is no range are answered with it, as RFC 9110
    allows; so is a range of an earlier file (If-Range). Raises Unsatisfiable if the range begins behind the end.
    """
    match = _RANGE.fullmatch(headers.get("range", ""))
    if match is None or headers.get("if-range", etag) != etag:
        return None
    first, last = match[1][:20], match[2][:20]
    if not first and not last:
        return None
    if not first:
        start, stop = max(0, size - int(last)), size
    else:
        start, stop = int(first), min(size, int(last) + 1) if last else size
        if last and int(last) < start:
            return None
    if start >= size or start >= stop:
        raise Unsatisfiable
    return start, stop
