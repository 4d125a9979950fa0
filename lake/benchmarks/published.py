"""Figures of papers and repositories, from published.csv: shown beside our own, never computed here."""

import csv
import io
from importlib.resources import files

from schemas.benchmarks import Published


def read_published() -> list[Published]:
    """Read every published figure, in the order of the file.

    Figures are fractions, not percentages; ranks count from 1. All are rounded to four decimals.
    """
    text = (files("lake.benchmarks") / "published.csv").read_bytes().decode("utf-8")
    rows = csv.DictReader(io.StringIO(text, newline=""))
    return [
        Published(
            benchmark=row["benchmark"],
            system=row["system"],
            protocol=row["protocol"],
            metric=row["metric"],
            value=float(row["value"]),
            source=row["source"],
        )
        for row in rows
    ]
