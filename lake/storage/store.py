"""The file systems below lakes, sources and exports: a local disk or an S3 store."""

import socket
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import fsspec

from schemas.errors import UserError
from schemas.settings import S3Settings


def require_reachable(s3: S3Settings) -> None:
    """Check that the S3 endpoint accepts connections. Raises UserError at once if it does not.

    Without this check a command would go through all the retries, which are meant for short failures.
    """
    if not s3.endpoint_url:
        return
    endpoint = urlsplit(s3.endpoint_url)
    if endpoint.scheme in getproxies() and not proxy_bypass(endpoint.netloc):
        return  # only the proxy knows
    try:
        port = endpoint.port or (443 if endpoint.scheme == "https" else 80)
        socket.create_connection((endpoint.hostname or "", port), timeout=5).close()
    except (OSError, ValueError) as error:
        raise UserError(
            f"no S3 store answers at {s3.endpoint_url} ({error}): "
            "check AWS_ENDPOINT_URL, and run the same command when it is back"
        ) from error


def open_file_system(uri: str, s3: S3Settings) -> fsspec.AbstractFileSystem:
    """Return the file system of a local path or an s3:// address."""
    return fsspec.filesystem("s3", **s3.fsspec_options()) if uri.startswith("s3://") else fsspec.filesystem("file")


def permission_hint(error: PermissionError) -> str:
    """Return advice for a refused request. A store says "request time" if this machine's clock is wrong."""
    return "set this machine's clock" if "request time" in str(error) else "check its permissions and keys"
