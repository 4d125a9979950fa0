"""The first step of `tonelake maintain` in a lake that an earlier tonelake wrote."""

from lake.maintenance.cleanup import exclusive_access, list_lakes
from lake.storage.lake import Lake
from lake.storage.old_forms import is_old, upgrade
from schemas.log import Log
from schemas.maintenance import MaintenanceResult


def upgrade_lakes(lake: Lake, run_id: str, log: Log) -> list[MaintenanceResult]:
    """Bring a lake, and first the lakes below it, to the current format.

    Raises UserError, which names the holder, if somebody holds a lease in one of them.
    """
    results = []
    with exclusive_access(find_old(lake), run_id, log, for_upgrade=True):
        for old in find_old(lake):
            log(f"{old.uri}: upgrading ...")
            results += [MaintenanceResult(old.uri, table, (done,), 0, 0) for table, done in upgrade(old)]
    return results


def plan_upgrades(lake: Lake) -> list[MaintenanceResult]:
    """Return what `upgrade_lakes` would do, a result a lake."""
    return [MaintenanceResult(old.uri, "", ("would upgrade its format",), 0, 0) for old in find_old(lake)]


def find_old(lake: Lake) -> list[Lake]:
    """Return the lakes of an older format: those below the lake, then the lake itself."""
    return [old for old in reversed(list_lakes(lake)) if is_old(old)]
