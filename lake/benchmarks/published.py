"""Figures of papers and repositories, from published.csv: shown beside ours, never computed here."""

import csv
from importlib.resources import files

from schemas.benchmarks import Published


def published() -> list[Published]:
    """Every figure of the file, in its order: shares as fractions, ranks from 1, rounded to four decimals."""
    with (files("lake.benchmarks") / "published.csv").open(encoding="utf-8", newline="") as file:
        return [Published(**row | {"value": float(row["value"])}) for row in csv.DictReader(file)]
