"""`tonelake doctor`: check every invariant of a lake and of the lakes below it."""

from flows.console.progress import progress_bar
from lake.maintenance.cleanup import list_lakes
from lake.maintenance.invariants import check_lake
from lake.storage.corruption import CorruptTableError
from lake.storage.lake import Lake
from lake.storage.vectors import BATCH_ROWS
from schemas.maintenance import Finding
from schemas.settings import Settings

_STEPS_PER_TABLE = 4


def examine_lakes(settings: Settings) -> list[Finding]:
    """Return what is wrong with the lake and with those below it; nothing is written.

    Raises UserError if there is no lake.
    """
    main = Lake.at(settings.lake, settings.s3)
    main.require_table_names()
    lakes = list_lakes(main)
    with progress_bar("examining the lake", sum(map(_estimate_steps, lakes))) as advance:
        return [finding for lake in lakes for finding in check_lake(lake, settings, advance)]


def examine_lake(lake: Lake, settings: Settings) -> list[Finding]:
    """Return what is wrong with one lake."""
    return list(check_lake(lake, settings, lambda: None))


def _estimate_steps(lake: Lake) -> int:
    """Return about how many steps `check_lake` reports for one lake; most are batches of vectors."""
    names = lake.table_names()
    row_counts = [_count_rows(lake, name) for name in names if name.startswith(("embeddings__", "features__"))]
    return _STEPS_PER_TABLE * len(names) + sum(count // BATCH_ROWS + 1 for count in row_counts)


def _count_rows(lake: Lake, name: str) -> int:
    try:
        return lake.table(name).count_rows()
    except CorruptTableError:  # `check_lake` reports it
        return 0
