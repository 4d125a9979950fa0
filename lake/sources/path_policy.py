"""Where the lines of a manifest may point: below its own folder, and where TONELAKE_ALLOW_OUTSIDE says.

A manifest is data that a stranger may have written: it must not make tonelake read what its reader never named.
"""

import os
import posixpath

from schemas.errors import NotAllowed, require_no_keys
from schemas.tracks import local_path


class Bounds:
    """Of one manifest: its folder, and the folders, s3:// prefixes and file:// uris that are allowed besides."""

    def __init__(self, manifest: str, allowed: tuple[str, ...]) -> None:
        own = posixpath.dirname(manifest)
        self._remote = [one for one in (own, *allowed) if one.startswith("s3://")]
        self._local = [os.path.realpath(one) for one in (own, *allowed) if "://" not in one]
        self._by_file_uri = _file_uris(allowed)
        self._folders: dict[str, str] = {}

    def require(self, line: str, named: str, uri: str) -> None:
        """NotAllowed, which begins with `line`, where it names a place outside; `uri` is `named`, made absolute."""
        if "\0" in named:
            raise NotAllowed(f"{line} names a file with a NUL in its name; correct the line")
        require_no_keys(named)
        scheme = named.split("://")[0] if "://" in named else ""
        if scheme not in ("", "s3", "file"):
            raise NotAllowed(f"{line} names {named}: tonelake reads files and s3:// only; fetch it and name the copy")
        if scheme == "file" and not _is_below(self._real(uri), self._by_file_uri):
            how = f"name it by its path, or set TONELAKE_ALLOW_OUTSIDE=file://{posixpath.dirname(uri)}"
            raise NotAllowed(f"{line} names {named}, and file:// is off: {how}, or a folder above it")
        if scheme != "file" and not self._holds(uri):
            how = f"TONELAKE_ALLOW_OUTSIDE={self._place(uri)}, or a folder above it"
            raise NotAllowed(f"{line} names {uri}, outside the manifest's folder; if that is meant, set {how}")

    def _holds(self, uri: str) -> bool:
        if uri.startswith("s3://"):
            return _is_below(uri, self._remote) and ".." not in uri.split("/")
        return _is_below(self._real(uri), self._local)

    def _real(self, path: str) -> str:
        """The file itself, links followed; a folder's are followed once."""
        folder, name = posixpath.split(path)
        if name in ("", ".", "..") or os.path.islink(path):
            return os.path.realpath(path)
        if folder not in self._folders:
            self._folders[folder] = os.path.realpath(folder)
        return posixpath.join(self._folders[folder], name)

    def _place(self, uri: str) -> str:
        return posixpath.dirname(uri if uri.startswith("s3://") else self._real(uri))


def require_allowed_source(source: str, allowed: tuple[str, ...]) -> None:
    """NotAllowed for a source that is named by file:// where that is off."""
    if source.startswith("file://") and not _is_below(os.path.realpath(local_path(source)), _file_uris(allowed)):
        path = local_path(source)
        raise NotAllowed(
            f"{source}: file:// is off; give the path {path}, or set TONELAKE_ALLOW_OUTSIDE=file://{path}"
        )


def _file_uris(allowed: tuple[str, ...]) -> list[str]:
    """The folders that file:// may name; file:// alone is all of them."""
    return [os.path.realpath(local_path(one) or "/") for one in allowed if one.startswith("file://")]


def _is_below(place: str, roots: list[str]) -> bool:
    return any(place == root or place.startswith(f"{root.rstrip('/')}/") for root in roots)
