"""Lists of names in messages: near ones, and the first of many."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

MAX_LISTED = 3


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """Return "did you mean a, b? ", with at most three names, or "". Capital letters make no difference."""
    folded = {known.casefold(): known for known in names}
    near = [folded[match] for match in get_close_matches(name.casefold(), list(folded), n=3)]
    return f"did you mean {', '.join(near)}? " if near else ""


def list_first(names: Sequence[str]) -> str:
    """Return the first three names, such as "a, b, c and 2 more"."""
    more = f" and {len(names) - MAX_LISTED:,} more" if len(names) > MAX_LISTED else ""
    return ", ".join(names[:MAX_LISTED]) + more
