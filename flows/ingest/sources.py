"""The sources that a lake remembers: `tonelake sources add|list|remove`."""

from contextlib import ExitStack
from dataclasses import replace

from flows.console.progress import ProgressReporter
from flows.ingest.allowances import allowances, allowed_locations, remember_used, revoke
from flows.ingest.refresh import acquire_leases
from lake.catalogue.runs import new_run_id
from lake.catalogue.sources import TABLE, register_sources, registered_sources, remove_source, require_registered
from lake.catalogue.tracks import deactivate_source
from lake.embeddings.sync import move_inactive
from lake.releases.publish import publish_if_due
from lake.releases.releases import live_release
from lake.sources.listing import check_source, require_source, source_name
from lake.sources.manifest_lines import MANIFEST_SUFFIXES
from lake.storage.lake import Lake, check_nothing
from schemas.settings import Settings
from schemas.sources import RegisteredSource


def add(sources: list[str], settings: Settings) -> list[str]:
    """Register sources for `tonelake refresh`; return the new ones.

    Raises UserError if a source does not exist, or if a manifest would lose data.
    """
    lake, log = Lake.at(settings.lake, settings.s3), ProgressReporter().log
    names = dict.fromkeys(require_source(source, settings.s3, settings.allow_outside) for source in sources)
    for name in names:
        if name.endswith(MANIFEST_SUFFIXES):
            scan = check_source(name, settings.s3, allowed_locations(name, settings))
            scan.findings.require_none_stops()
            for line in scan.findings.warning_lines():
                log(line)
            remember_used({name: tuple(sorted(scan.policy.used))}, settings, log)
    lake.require_current_format()  # as a lease does for the other writers: this one takes none
    return register_sources(lake, names, listed=False)


def read_sources(settings: Settings) -> list[RegisteredSource]:
    """Return the registered sources and the locations outside their folder that they may name.

    Sources that are not registered are among them if this machine allows them files outside their folder.
    """
    lake = Lake.at(settings.lake, settings.s3)
    lake.require_known_format()
    allowed = allowances(settings)
    sources = [replace(row, allowed_outside=allowed.pop(row.source, ())) for row in registered_sources(lake)]
    return sources + [RegisteredSource(name, None, None, None, locations) for name, locations in allowed.items()]


def remove(source: str, settings: Settings) -> int:
    """Remove a source, and its tracks from search; return the number of these tracks.

    Their vectors and features are kept. Raises UserError if the lake does not remember the source.
    """
    lake, name, run_id = Lake.at(settings.lake, settings.s3), source_name(source), new_run_id()
    require_registered(lake, name)
    log = ProgressReporter().log
    # Opened before the leases are taken: the leases of a version that comes later are not among them, but its run
    # writes to this table before it brings tracks back.
    sources = lake.table(TABLE)
    with ExitStack() as stack:
        leased = acquire_leases(lake, [], [run_id], log, stack)
        check = next((version.lease.check for version in leased.values()), check_nothing)
        number = deactivate_source(lake, name, check)
        for version in leased.values():
            move_inactive(lake, version.spec, version.lease)
        if live_release(lake):
            for version in leased.values():
                publish_if_due(lake, {run_id: version.spec}, "sources remove", log)
        remove_source(sources, name, check)
    revoke(name, settings)
    return number
