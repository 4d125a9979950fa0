"""What a check finds in a manifest, and which findings stop a run."""

from dataclasses import dataclass
from typing import Any

# Every kind of finding. True: data would be lost, a run stops. False: a warning, and the value is kept.
# docs/manifest.md explains them.
FINDING_KINDS: dict[str, bool] = {
    "unreadable": True,  # broken CSV, JSON or Parquet: perhaps the file was cut
    "not_utf8": True,
    "separator": True,  # the columns are separated by something other than commas
    "no_uri_column": True,
    "repeated_column": True,  # two columns of one name, or one JSON key twice
    "surplus_cells": True,
    "missing_cells": True,
    "no_uri": True,
    "wrong_kind": True,  # a number where a list of genres is needed, and the like
    "repeated_track": True,  # two lines or sources with one track_id, or one uri and no track_id
    "not_allowed": True,  # a file that this manifest may not name
    "column_name": False,  # `Year` is read as year
    "unnamed_column": False,
    "year": False,
    "date": False,
    "end_before_start": False,
    "territory": False,  # no code of two letters
    "genres": False,  # "Jazz, Blues" is one genre
    "list_as_text": False,
    "repeated_uri": False,  # under another track_id
    "missing_file": False,
    "no_lines": False,
}


@dataclass(frozen=True, slots=True)
class ManifestFinding:
    """What a check says of a line.

    `line` is the number that an editor shows, in Parquet the number of the row; None: the whole file. `value` is what
    the manifest says there, `understood` what tonelake makes of it.
    """

    line: int | None
    column: str | None
    kind: str
    value: str | None
    understood: str

    @property
    def stops(self) -> bool:
        """Whether a run stops."""
        return FINDING_KINDS[self.kind]

    @property
    def text(self) -> str:
        """The finding as one line."""
        subject = " ".join(filter(None, (self.column, None if self.value is None else repr(self.value))))
        where = ", ".join(filter(None, (f"line {self.line}" if self.line else "", subject)))
        return f"{where}: {self.understood}" if where else self.understood

    def to_json(self, source: str) -> dict[str, Any]:
        """Return the finding as an object."""
        return {
            "source": source,
            "line": self.line,
            "column": self.column,
            "kind": self.kind,
            "stops": self.stops,
            "value": self.value,
            "understood": self.understood,
        }
