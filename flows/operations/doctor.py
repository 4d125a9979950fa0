"""Every invariant of a lake and of those beside it, read and judged; what is wrong comes with what mends it."""

from collections.abc import Iterator

from flows.console.progress import track
from lake.maintenance.cleanup import is_table, lakes
from lake.maintenance.invariants import check_lake
from lake.storage.lake import Damaged, Lake
from lake.storage.vectors import BATCH_ROWS
from schemas.maintenance import Finding
from schemas.settings import Settings

_PIECES_OF_A_TABLE = 4


def doctor(settings: Settings) -> list[Finding]:
    """What is wrong with the lakes; empty where all is well. Only reads."""
    main = Lake.at(settings.lake, settings.s3)
    main.required_names()
    found = lakes(main)
    return list(filter(None, track(_all(found, settings), "examining the lake", sum(map(_pieces, found)))))


def examine(lake: Lake, settings: Settings) -> list[Finding]:
    """What is wrong with one lake."""
    return list(filter(None, check_lake(lake, settings.keep_windows)))


def _all(found: list[Lake], settings: Settings) -> Iterator[Finding | None]:
    for lake in found:
        yield from check_lake(lake, settings.keep_windows)


def _pieces(lake: Lake) -> int:
    """About how many pieces of work `check_lake` tells of: most are batches of vectors."""
    names = [name for name in lake.names() if is_table(lake, name)]
    held = [_rows(lake, name) for name in names if name.startswith(("embeddings__", "features__"))]
    return _PIECES_OF_A_TABLE * len(names) + sum(rows // BATCH_ROWS + 1 for rows in held)


def _rows(lake: Lake, name: str) -> int:
    try:
        return lake.table(name).count_rows()
    except Damaged:  # one of the things that `check_lake` is about to tell
        return 0
