"""Description of files outside a lake.

They are decoded as the tracks of a lake are.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import pyarrow as pa

from schemas.descriptions import Description
from schemas.errors import UserError
from schemas.settings import Settings
from schemas.tracks import TRACKS


@dataclass(frozen=True, slots=True)
class DescribedFile:
    """A file's description, or the verdict that explains why there is none."""

    path: Path
    description: Description | None
    reason: str | None = None


# Describes each file, in any order. Raises UserError if one cannot be described now, but perhaps by the next run.
DescribeFiles = Callable[[Sequence[Path], Settings], Iterator[DescribedFile]]

_FIELDS = tuple(field.name for field in fields(Description))


def describe_files(paths: Sequence[Path], settings: Settings) -> Iterator[DescribedFile]:
    """Decode files that exist and yield each with its description, in no order.

    Little audio is decoded in processes of this machine, much of it on Ray. A damaged file has the verdict that it
    would have in a lake. Raises UserError if a file could not be decoded for a reason that is not the file's.
    """
    from workers.executors import describe_tracks  # decoding libraries, which a list of benchmarks does not need

    rows = [
        {"track_id": str(path), "uri": str(path), "source_version": "", "size": path.stat().st_size} for path in paths
    ]
    tracks = pa.Table.from_pylist(rows, schema=TRACKS)
    for outcomes in describe_tracks(tracks, settings):
        for row in outcomes.select(["track_id", "outcome", "reason", "message", *_FIELDS]).to_pylist():
            path = Path(row["track_id"])
            if row["outcome"] == "pending":
                raise UserError(f"{path} cannot be described now: {row['message']}; run the same command again")
            described = row["outcome"] == "embedded"
            description = Description(**{name: row[name] for name in _FIELDS}) if described else None
            yield DescribedFile(path, description, row["reason"])
