"""Which sources a lake remembers: `tonelake sources add|list|remove`."""

from contextlib import ExitStack
from typing import Any

from flows.console.progress import Watch
from flows.ingest.refresh import hold
from lake.catalogue.runs import new_run_id
from lake.catalogue.sources import forget_source, remember_sources, remembered, require_remembered
from lake.catalogue.tracks import forget
from lake.embeddings.sync import shelve
from lake.releases.releases import live, publish_again
from lake.sources.listing import require_source, source_name
from lake.storage.lake import Lake
from schemas.settings import Settings


def add(sources: list[str], settings: Settings) -> list[str]:
    """Remembers them; returns those that were not known. UserError where one is not there."""
    lake = Lake.at(settings.lake, settings.s3)
    names = dict.fromkeys(require_source(source, settings.s3, settings.allow_outside) for source in sources)
    return remember_sources(lake, names, listed=False)


def listed(settings: Settings) -> list[dict[str, Any]]:
    """The sources, with when they were added and last listed, and the tracks found then."""
    return remembered(Lake.at(settings.lake, settings.s3))


def remove(source: str, settings: Settings) -> int:
    """Forgets a source and takes its tracks out of search; returns how many. What was computed of them is kept."""
    lake, name, run_id = Lake.at(settings.lake, settings.s3), source_name(source), new_run_id()
    require_remembered(lake, name)
    with ExitStack() as stack:
        held = hold(lake, [], [run_id], Watch().say, stack)
        number = forget(lake, name)
        for spec, lease in held.values():
            shelve(lake, spec, lease)
        for spec, _ in held.values() if live(lake) else ():
            publish_again(lake, {run_id: spec}, "sources remove", Watch().say)
        forget_source(lake, name)
    return number
