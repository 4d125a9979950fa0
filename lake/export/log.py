"""The book of exports."""

import os
import socket
from dataclasses import replace

import pyarrow as pa

from lake.storage.filters import quoted
from lake.storage.lake import Lake
from schemas.errors import UserError
from schemas.exports import EXPORTS, Export

TABLE = "exports"


def exports(lake: Lake) -> list[Export]:
    """Every export that the lake knows of, the oldest first."""
    if TABLE not in lake.names():
        return []
    return [Export(**row) for row in lake.table(TABLE).to_table().sort_by("at").to_pylist()]


def record(lake: Lake, export: Export) -> Export:
    """Writes an export down, in place of what was written of its uri before; with where this machine put it."""
    if "://" not in export.uri:
        export = replace(export, host=socket.gethostname(), mount=mount_of(export.uri))
    lake.upsert(TABLE, EXPORTS, pa.Table.from_pylist([export.row()], schema=EXPORTS))
    return export


def drop(lake: Lake, uri: str) -> None:
    """The export is no more."""
    lake.table(TABLE).delete(f"uri = {quoted(uri)}")


def require_outside(lake: Lake, uri: str) -> None:
    """UserError for a place among the lake's own files: tables and lakes are found there by their names."""
    place, root = (one if "://" in one else os.path.realpath(one) for one in (uri, lake.uri))
    if f"{place}/".startswith(f"{root}/"):
        raise UserError(f"{uri} is inside the lake {lake.uri}: give a place beside it")


def out_of_reach(export: Export) -> str | None:
    """Why a local path of this export says nothing here of whether it exists; None where it does."""
    if export.host is None:
        return None
    if export.host != socket.gethostname() and not os.path.exists(export.uri):
        return f"it was written on the machine {export.host}"
    if export.mount and not os.path.ismount(export.mount):
        return f"{export.mount} is not mounted"
    return None


def mount_of(path: str) -> str:
    """The mount point that a path, existing or not, is on."""
    path = os.path.realpath(path)
    while not os.path.ismount(path):
        path = os.path.dirname(path)
    return path
