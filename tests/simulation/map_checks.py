"""What must hold of the maps of a simulated lake."""

import numpy as np

from tests.simulation.reader import Observation, PlainReader


def live_tracks(seen: Observation) -> int:
    """Return the number of tracks of the live release."""
    return max(seen.rows("releases"), key=lambda row: row["number"], default={"tracks": 0})["tracks"]


def unplaced_rows(seen: Observation) -> list[str]:
    """Return the rows of maps whose position is no point."""
    return [
        f"{name} {row['track_id']}"
        for name, rows in seen.of_kind("map").items()
        for row in rows
        if not np.isfinite([row["x"], row["y"]]).all()
    ]


def missing_tracks(seen: Observation, reader: PlainReader) -> set[tuple[str, str]]:
    """Return the tracks of the live release that its map lacks, with their files."""
    live = max(seen.rows("releases"), key=lambda row: row["number"])
    mapped, shown = (
        {(row["track_id"], row["source_version"]) for row in rows}
        for rows in (
            seen.rows(live["table"].replace("embeddings__", "map__")),
            reader.rows(live["table"], live["lance_version"]),
        )
    )
    return shown - mapped
