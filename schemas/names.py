"""Names that a user may have meant by one that does not exist."""

from collections.abc import Iterable
from difflib import get_close_matches


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """Return "did you mean a, b? ", with at most three names, or "". Capital letters make no difference."""
    folded = {known.casefold(): known for known in names}
    near = [folded[match] for match in get_close_matches(name.casefold(), list(folded), n=3)]
    return f"did you mean {', '.join(near)}? " if near else ""
