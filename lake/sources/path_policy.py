"""Which files a manifest may name: those below its folder, and those allowed.

A stranger may have written the manifest: it must not make tonelake read files that the user did not name.
"""

import os
import posixpath

from lake.sources.manifest_lines import MANIFEST_SUFFIXES
from schemas.errors import NotAllowed
from schemas.redaction import contains_credentials
from schemas.tracks import local_path


class PathPolicy:
    """The policy of one manifest.

    Its own folder is allowed, and the `allowed` folders, s3:// prefixes and file:// uris. `used` has those of
    `allowed` that a line needed.
    """

    def __init__(self, manifest: str, allowed: tuple[str, ...]) -> None:
        self._manifest = manifest
        roots = dict.fromkeys((posixpath.dirname(manifest), *allowed))  # the first root that holds a file counts
        self._remote = {root: root for root in roots if root.startswith("s3://")}
        self._local: dict[str, str] = {}
        for root in roots:
            if "://" not in root:
                self._local.setdefault(os.path.realpath(root), root)
        self._by_file_uri = {_file_uri_path(root): root for root in allowed if root.startswith("file://")}
        self._own = posixpath.dirname(manifest)
        self._folders: dict[str, str] = {}
        self.used: set[str] = set()

    def reason_to_refuse(self, named: str, uri: str) -> str | None:
        """Return why a line may not name a file; None if it may.

        `named` is the text in the manifest, `uri` the same made absolute.
        """
        if "\0" in named:
            return "a NUL in the name; correct the line"
        if contains_credentials(named):
            return "contains credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and leave them out"
        scheme = named.split("://")[0] if "://" in named else ""
        if scheme not in ("", "s3", "file"):
            return "tonelake reads files and s3:// only; fetch it and name the copy"
        if scheme == "file":
            root = _root_of(self._resolve(uri), self._by_file_uri)
            if root is None:
                location = f"file://{posixpath.dirname(uri)}"
                return f"file:// is off; name it by its path, or {self._advice(location)}"
        else:
            root = self._allowed_root(uri)
            if root is None:
                location = self._folder_of(uri)
                return f"{uri} is outside the manifest's folder; if that is meant, {self._advice(location)}"
        if root != self._own:
            self.used.add(root)
        return None

    def _advice(self, location: str) -> str:
        allow = f"`tonelake sources allow {self._manifest} {location}` (with your --lake)"
        return f"{allow}, or set TONELAKE_ALLOW_OUTSIDE={location}, or a folder above it"

    def _allowed_root(self, uri: str) -> str | None:
        if uri.startswith("s3://"):
            return None if ".." in uri.split("/") else _root_of(uri, self._remote)
        return _root_of(self._resolve(uri), self._local)

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


def is_allowed_file(source: str, path: str, allowed: tuple[str, ...]) -> bool:
    """Tell whether a file may be opened because a source listed it.

    `path` is the file's own: an s3:// uri, or a local path without links. It is below the source, beside the manifest,
    or at one of the `allowed` locations. A registry may say anything: it comes with its lake.
    """
    folder = posixpath.dirname(source) if source.endswith(MANIFEST_SUFFIXES) else source
    roots = (folder, *(local_path(root) or "/" for root in allowed))
    if path.startswith("s3://"):
        return ".." not in path.split("/") and _root_of(path, {root: root for root in roots}) is not None
    return _root_of(path, {os.path.realpath(root): root for root in roots if "://" not in root}) is not None


def require_allowed_source(source: str, allowed: tuple[str, ...]) -> None:
    """Raise NotAllowed for a file:// source that the settings do not allow."""
    roots = {_file_uri_path(uri): uri for uri in allowed if uri.startswith("file://")}
    if source.startswith("file://") and _root_of(os.path.realpath(local_path(source)), roots) is None:
        path = local_path(source)
        raise NotAllowed(
            f"{source}: file:// is off; give the path {path}, or set TONELAKE_ALLOW_OUTSIDE=file://{path}"
        )


def _file_uri_path(uri: str) -> str:
    """Return the folder below which file:// uris are allowed; "file://" alone allows all."""
    return os.path.realpath(local_path(uri) or "/")


def _root_of(path: str, roots: dict[str, str]) -> str | None:
    """Return the value of the first root that the path is at or below."""
    return next(
        (name for root, name in roots.items() if path == root or path.startswith(f"{root.rstrip('/')}/")), None
    )
