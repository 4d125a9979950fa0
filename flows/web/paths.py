"""Paths of the service's machine: answers beyond it contain none."""

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from schemas.search import SearchHit

# An absolute path, a file:// uri or an s3:// address. Addresses of the service itself are none.
_PATH = re.compile(r"(?:file|s3)://[^\s'\",;)]+|(?<![\w./<])/(?!api/v1/)(?:[^/\s'\",;)]+/)+[^\s'\",;)]*")
_HIDDEN = "…"
# Fields whose values are paths, or name the machine.
_FIELDS = frozenset({"uri", "source", "sources", "exports", "lake", "host", "parameters", "table_uri"})


def hide_paths(text: str, known: Iterable[str | None] = ()) -> str:
    """Return a text with every path cut to its last part. `known` are paths, which may contain spaces."""
    for path in sorted(filter(None, known), key=len, reverse=True):
        text = text.replace(path, _last_part(path))
    return _PATH.sub(lambda match: _last_part(match[0]), text)


def hide_hit(hit: SearchHit) -> SearchHit:
    """Return a hit without its path."""
    return replace(hit, uri=None)


def hide_all(document: Any, known: Iterable[str | None] = ()) -> Any:
    """Return a JSON document without paths.

    Fields that hold paths are null, and texts are cut as `hide_paths` does.
    """
    known = list(known)
    if isinstance(document, dict):
        return {key: None if key in _FIELDS else hide_all(value, known) for key, value in document.items()}
    if isinstance(document, list | tuple):
        return [hide_all(value, known) for value in document]
    return hide_paths(document, known) if isinstance(document, str) else document


def _last_part(path: str) -> str:
    return f"{_HIDDEN}/{path.rstrip('/').rsplit('/', 1)[-1]}"
