"""Which files outside its folder a manifest may name, remembered on this machine.

Each pair of lake and source has one file in the user's settings. Nothing of this is in a lake: whoever can write into
a lake must not open paths on the machines that read it.
"""

import hashlib
import json
from pathlib import Path

from flows.console.atomic_file import write_atomically
from lake.sources.listing import Listing, list_source, merge_listings, require_tracks, source_name
from lake.storage.lake import Lake
from schemas.errors import UserError, require_no_credentials
from schemas.log import Log
from schemas.settings import LOCATIONS, Settings, is_location


def list_requested(sources: list[str], settings: Settings, log: Log) -> Listing:
    """List the sources that a person named; log the warnings about manifests.

    Raises UserError as `list_source` does, or if there are no tracks.
    """
    listings = [list_source(source, settings.s3, allowed_locations(source, settings)) for source in sources]
    listing = require_tracks(merge_listings(listings), sources)
    for line in listing.warnings:
        log(line)
    return listing


def allowed_locations(source: str, settings: Settings) -> tuple[str, ...]:
    """Return the locations of the settings, and those remembered for this lake and source."""
    return (*settings.allow_outside, *_read(_file(source_name(source), settings)))


def remember_used(outside: dict[str, tuple[str, ...]], settings: Settings, log: Log) -> None:
    """Remember the allowed locations that sources needed, so that a refresh needs no variable.

    `outside` is that of a Listing. If the settings of the user cannot be written, the log says so.
    """
    for source, locations in outside.items():
        try:
            added = _add(source, locations, settings)
        except OSError as error:
            log(f"cannot remember what {source} may name ({error}): set TONELAKE_ALLOW_OUTSIDE where refresh runs")
            continue
        if added:
            log(
                f"remembered on this machine: {source} may name files in {', '.join(added)}; "
                f"`tonelake sources revoke {source}` forgets it"
            )


def allow(source: str, locations: list[str], settings: Settings) -> tuple[str, ...]:
    """Allow a source of this lake to name files in locations; return all its locations.

    Raises UserError if a location is none.
    """
    for location in locations:
        require_no_credentials(location)
        if not is_location(location):
            raise UserError(f"{location!r} is not a location: give {LOCATIONS}")
    name = source_name(source)
    _add(name, tuple(locations), settings)
    return _read(_file(name, settings))


def revoke(source: str, settings: Settings) -> tuple[str, ...]:
    """Forget the locations of a source of this lake; return them."""
    file = _file(source_name(source), settings)
    locations = _read(file)
    file.unlink(missing_ok=True)
    return locations


def allowances(settings: Settings) -> dict[str, tuple[str, ...]]:
    """Return what is allowed on this machine for this lake, by source."""
    lake, remembered = _lake_name(settings), {}
    for file in sorted(_folder(settings).glob("*.json")):
        document = _parse(file)
        if document["lake"] == lake and file == _file(document["source"], settings):
            remembered[document["source"]] = tuple(document["allowed"])
    return remembered


def _add(source: str, locations: tuple[str, ...], settings: Settings) -> list[str]:
    """Add locations to those of a source; return the new ones."""
    file = _file(source, settings)
    known = _read(file)
    added = [location for location in dict.fromkeys(locations) if location not in known]
    if added:
        document = {"lake": _lake_name(settings), "source": source, "allowed": sorted({*known, *added})}
        with write_atomically(file) as temporary:
            temporary.write_text(json.dumps(document, indent=2))
    return added


def _read(file: Path) -> tuple[str, ...]:
    return tuple(_parse(file)["allowed"]) if file.exists() else ()


def _parse(file: Path) -> dict[str, list[str] | str]:
    try:
        document = json.loads(file.read_text())
        return {"lake": document["lake"], "source": document["source"], "allowed": list(document["allowed"])}
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"cannot read what you allowed in {file}: {error!r}; delete this file, and allow it again"
        ) from error


def _file(source: str, settings: Settings) -> Path:
    digest = hashlib.sha256(f"{_lake_name(settings)}\n{source}".encode("utf-8", "surrogateescape")).hexdigest()
    return _folder(settings) / f"{digest[:32]}.json"


def _folder(settings: Settings) -> Path:
    return settings.config / "allow-outside"


def _lake_name(settings: Settings) -> str:
    """Return a lake's absolute address; one in a store has the store's address too."""
    uri = Lake.at(settings.lake, settings.s3).uri
    return f"{uri} at {settings.s3.endpoint_url}" if uri.startswith("s3://") and settings.s3.endpoint_url else uri
