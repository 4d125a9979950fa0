"""The sources that a lake remembers: `tonelake sources add|list|remove`."""

from contextlib import ExitStack

from flows.console.progress import ProgressReporter
from flows.ingest.refresh import acquire_leases
from lake.catalogue.runs import new_run_id
from lake.catalogue.sources import register_sources, registered_sources, remove_source, require_registered
from lake.catalogue.tracks import deactivate_source
from lake.embeddings.sync import move_inactive
from lake.releases.publish import publish_if_due
from lake.releases.releases import live_release
from lake.sources.listing import require_source, source_name
from lake.storage.lake import Lake, check_nothing
from schemas.settings import Settings
from schemas.sources import RegisteredSource


def add(sources: list[str], settings: Settings) -> list[str]:
    """Register sources for `tonelake refresh`; return the new ones.

    Raises UserError if a source does not exist.
    """
    lake = Lake.at(settings.lake, settings.s3)
    names = dict.fromkeys(require_source(source, settings.s3, settings.allow_outside) for source in sources)
    lake.require_current_format()  # as a lease does for the other writers: this one takes none
    return register_sources(lake, names, listed=False)


def read_sources(settings: Settings) -> list[RegisteredSource]:
    """Return the sources: when they were added and last listed, their number of tracks."""
    lake = Lake.at(settings.lake, settings.s3)
    lake.require_known_format()
    return registered_sources(lake)


def remove(source: str, settings: Settings) -> int:
    """Remove a source, and its tracks from search; return the number of these tracks.

    Their vectors and features are kept. Raises UserError if the lake does not remember the source.
    """
    lake, name, run_id = Lake.at(settings.lake, settings.s3), source_name(source), new_run_id()
    require_registered(lake, name)
    log = ProgressReporter().log
    with ExitStack() as stack:
        leased = acquire_leases(lake, [], [run_id], log, stack)
        check = next((version.lease.check for version in leased.values()), check_nothing)
        number = deactivate_source(lake, name, check)
        for version in leased.values():
            move_inactive(lake, version.spec, version.lease)
        if live_release(lake):
            for version in leased.values():
                publish_if_due(lake, {run_id: version.spec}, "sources remove", log)
        remove_source(lake, name)
    return number
