"""The first step of `tonelake maintain` in a lake that an earlier tonelake wrote."""

from lake.maintenance.cleanup import exclusive_access
from lake.storage.lake import Lake
from lake.storage.old_forms import is_old, upgrade
from schemas.log import Log
from schemas.maintenance import MaintenanceResult


def upgrade_lakes(lakes: list[Lake], run_id: str, log: Log) -> list[MaintenanceResult]:
    """Bring lakes, as `list_lakes` returns them, to the current format, the main one last.

    Raises UserError, which names the holder, if somebody holds a lease in one of them.
    """
    results = []
    with exclusive_access(find_old(lakes), run_id, log, for_upgrade=True):
        for old in find_old(lakes):
            log(f"{old.uri}: upgrading ...")
            results += [MaintenanceResult(old.uri, table, (done,), 0, 0) for table, done in upgrade(old)]
    return results


def plan_upgrades(lakes: list[Lake]) -> list[MaintenanceResult]:
    """Return what `upgrade_lakes` would do, a result a lake."""
    return [MaintenanceResult(old.uri, "", ("would upgrade its format",), 0, 0) for old in find_old(lakes)]


def find_old(lakes: list[Lake]) -> list[Lake]:
    """Return the lakes of an older format, the main one last."""
    return [old for old in reversed(lakes) if is_old(old)]
