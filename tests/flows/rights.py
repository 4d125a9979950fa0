"""A small lake of a manifest with rights, indexed without Ray."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from schemas import clock
from tests.cli import run_here
from tests.flows.catalogue import write_sound

# The day of the tests' clock.
TODAY = "2026-06-15"
RIGHTS = {
    "always": {},
    "ended": {"available_from": "2020-01-01", "available_to": "2021-12-31"},
    "later": {"available_from": "2027-01-01"},
    "last-day": {"available_to": "2026-06-15"},
    "day-before": {"available_to": "2026-06-14T23:59:00"},
    "this-year": {"available_from": "2026", "available_to": "2026"},
    "german": {"territories": "DE"},
    "dach": {"territories": ["de", "AT", "CH"], "available_to": "2026-12"},
    "unclear": {"available_from": "01.02.2020"},
}
AVAILABLE = {"always", "last-day", "this-year", "german", "dach"}


@dataclass(frozen=True)
class RightsLake:
    """A lake, and the manifest that it was made from. Ids of tracks are the keys of RIGHTS."""

    home: Path

    @property
    def uri(self) -> Path:
        return self.home / "lake"

    @property
    def manifest(self) -> Path:
        return self.home / "music" / "catalogue.jsonl"

    def write_manifest(self, **changes: dict) -> None:
        """Write the manifest with other columns for some tracks."""
        rows = [
            {"uri": f"{name}.wav", "track_id": name, "title": f"Title {name}", **columns, **changes.get(name, {})}
            for name, columns in RIGHTS.items()
        ]
        self.manifest.write_text("".join(json.dumps(row) + "\n" for row in rows))

    def run(self, *arguments: object) -> Any:
        """Run a command and return its JSON; without --encoder it reads the live release."""
        return json.loads(run_here("--lake", self.uri, "--json", *arguments).stdout)

    def search_ids(self, *arguments: object) -> set[str]:
        """Return the ids that a search finds."""
        hits = self.run("search", *(arguments or ("a sound",)), "-k", 50)
        return {hit["track_id"] for hit in hits}


def make_rights_lake(home: Path) -> RightsLake:
    """Write sounds and a manifest below `home`, and index them."""
    for seed, name in enumerate(RIGHTS):
        write_sound(home / "music" / f"{name}.wav", seed)
    lake = RightsLake(home)
    lake.write_manifest()
    lake.run("index", lake.manifest, "--encoder", "fake")
    return lake


def set_clock(monkeypatch, day: str) -> None:
    """Let it be this day for the lake; time goes on."""
    shift = datetime.fromisoformat(f"{day}T12:00:00+00:00") - datetime.now(UTC)
    monkeypatch.setattr(clock, "now", lambda: datetime.now(UTC) + shift)
