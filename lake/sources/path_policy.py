"""Which files a manifest may name: those below its folder or allowed by TONELAKE_ALLOW_OUTSIDE.

A stranger may have written the manifest: it must not make tonelake read files that the user did not name.
"""

import os
import posixpath

from schemas.errors import NotAllowed, require_no_credentials
from schemas.tracks import local_path


class PathPolicy:
    """The policy of one manifest.

    Its own folder is allowed, and the `allowed` folders, s3:// prefixes and file:// uris.
    """

    def __init__(self, manifest: str, allowed: tuple[str, ...]) -> None:
        roots = (posixpath.dirname(manifest), *allowed)
        self._remote = [root for root in roots if root.startswith("s3://")]
        self._local = [os.path.realpath(root) for root in roots if "://" not in root]
        self._by_file_uri = _file_uris(allowed)
        self._folders: dict[str, str] = {}

    def require(self, line: str, named: str, uri: str) -> None:
        """Raise NotAllowed if a line names a file outside; the message begins with `line`.

        `named` is the text in the manifest, `uri` the same made absolute.
        """
        if "\0" in named:
            raise NotAllowed(f"{line} names a file with a NUL in its name; correct the line")
        require_no_credentials(named)
        scheme = named.split("://")[0] if "://" in named else ""
        if scheme not in ("", "s3", "file"):
            raise NotAllowed(f"{line} names {named}: tonelake reads files and s3:// only; fetch it and name the copy")
        if scheme == "file" and not _is_below(self._resolve(uri), self._by_file_uri):
            advice = f"name it by its path, or set TONELAKE_ALLOW_OUTSIDE=file://{posixpath.dirname(uri)}"
            raise NotAllowed(f"{line} names {named}, and file:// is off: {advice}, or a folder above it")
        if scheme != "file" and not self._is_allowed(uri):
            setting = f"TONELAKE_ALLOW_OUTSIDE={self._folder_of(uri)}, or a folder above it"
            raise NotAllowed(f"{line} names {uri}, outside the manifest's folder; if that is meant, set {setting}")

    def _is_allowed(self, uri: str) -> bool:
        if uri.startswith("s3://"):
            return _is_below(uri, self._remote) and ".." not in uri.split("/")
        return _is_below(self._resolve(uri), self._local)

    def _resolve(self, path: str) -> str:
        """Return the path with links resolved; each folder is resolved once."""
        folder, name = posixpath.split(path)
        if name in ("", ".", "..") or os.path.islink(path):
            return os.path.realpath(path)
        if folder not in self._folders:
            self._folders[folder] = os.path.realpath(folder)
        return posixpath.join(self._folders[folder], name)

    def _folder_of(self, uri: str) -> str:
        return posixpath.dirname(uri if uri.startswith("s3://") else self._resolve(uri))


def require_allowed_source(source: str, allowed: tuple[str, ...]) -> None:
    """Raise NotAllowed for a file:// source that the settings do not allow."""
    if source.startswith("file://") and not _is_below(os.path.realpath(local_path(source)), _file_uris(allowed)):
        path = local_path(source)
        raise NotAllowed(
            f"{source}: file:// is off; give the path {path}, or set TONELAKE_ALLOW_OUTSIDE=file://{path}"
        )


def _file_uris(allowed: tuple[str, ...]) -> list[str]:
    """Return the folders that file:// uris may name; "file://" alone allows all."""
    return [os.path.realpath(local_path(uri) or "/") for uri in allowed if uri.startswith("file://")]


def _is_below(path: str, roots: list[str]) -> bool:
    return any(path == root or path.startswith(f"{root.rstrip('/')}/") for root in roots)
