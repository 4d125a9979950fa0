"""The table of exports: a takedown reads it to find every copy outside the lake."""

import os
import socket
from dataclasses import replace

import pyarrow as pa

from lake.storage.filters import string_literal
from lake.storage.lake import Lake
from schemas.errors import UserError
from schemas.exports import EXPORTS, Export

TABLE = "exports"


def list_exports(lake: Lake) -> list[Export]:
    """Return every export that the lake knows of, the oldest first."""
    table = lake.find_table(TABLE)
    if table is None:
        return []
    return [Export(**row) for row in table.to_table().sort_by("at").to_pylist()]


def record_export(lake: Lake, export: Export) -> Export:
    """Write the row of an export and return it.

    An earlier row of the same uri is replaced. A local export gets the host and the mount point of this machine.
    """
    if "://" not in export.uri:
        export = replace(export, host=socket.gethostname(), mount=mount_point(export.uri))
    lake.upsert(TABLE, EXPORTS, pa.Table.from_pylist([export.row()], schema=EXPORTS))
    return export


def drop_export(lake: Lake, uri: str) -> None:
    """Delete the row of an export that is gone."""
    lake.table(TABLE).delete(f"uri = {string_literal(uri)}")


def require_outside(lake: Lake, uri: str) -> None:
    """Check that an export is not written among the lake's own files.

    Tables and lakes are found there by their names. Raises UserError if it is.
    """
    export, root = (address if "://" in address else os.path.realpath(address) for address in (uri, lake.uri))
    if f"{export}/".startswith(f"{root}/"):
        raise UserError(f"{uri} is inside the lake {lake.uri}: give a place beside it")


def unreachable_reason(export: Export) -> str | None:
    """Return why this machine cannot tell whether the export exists, or None."""
    if export.host is None:
        return None
    if export.host != socket.gethostname() and not os.path.exists(export.uri):
        return f"it was written on the machine {export.host}"
    if export.mount and not os.path.ismount(export.mount):
        return f"{export.mount} is not mounted"
    return None


def mount_point(path: str) -> str:
    """Return the mount point of a path, which need not exist."""
    path = os.path.realpath(path)
    while not os.path.ismount(path):
        path = os.path.dirname(path)
    return path
