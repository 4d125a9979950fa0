"""The holders of a lake's leases, as its other commands see them."""

from lake.storage.lake import Lake
from lake.storage.lease import LEASE_TIMEOUT_SECONDS, Holder, Lease
from schemas import clock


def lease_names(lake: Lake) -> list[str]:
    """Return the names of all leases that were ever taken in this lake, sorted."""
    try:
        paths = lake.file_system().ls(f"{lake.uri}/_leases", detail=False)
    except FileNotFoundError:
        return []
    return sorted(path.rstrip("/").rsplit("/", 1)[1] for path in paths)


def unreleased_holders(lake: Lake) -> dict[str, Holder]:
    """Return the last holder of each lease that was not released, by lease name.

    Its process may be dead.
    """
    holders = {name: _read_holder(lake, name) for name in lease_names(lake)}
    return {name: holder for name, holder in holders.items() if holder}


def expired_holders(lake: Lake, holders: dict[str, Holder]) -> dict[str, Holder]:
    """Return those of the unreleased `holders`, by lease name, that are gone.

    A process of this host is checked at once. Holders on other hosts are watched for LEASE_TIMEOUT_SECONDS.
    """
    silent = {name: holder for name, holder in holders.items() if holder.is_gone() or not holder.is_here()}
    deadline = clock.monotonic() + LEASE_TIMEOUT_SECONDS
    while any(not holder.is_gone() for holder in silent.values()) and clock.monotonic() < deadline:
        clock.sleep(min(1.0, LEASE_TIMEOUT_SECONDS / 10))
        silent = {name: holder for name, holder in silent.items() if _read_holder(lake, name) == holder}
    return silent


def _read_holder(lake: Lake, name: str) -> Holder | None:
    return Lease(lake, name, "", _ignore).current_holder()


def _ignore(_: str) -> None:
    """Log nothing: a lease that is only read is never waited for."""
