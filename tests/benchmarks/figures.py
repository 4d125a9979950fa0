"""Measured figures of speed, memory and requests: benchmarks record them in one file, README and docs quote that file.

`make bench` sets FIGURES, the path of the file. At its end this module writes the new numbers into the quotes, and
names what got worse by more than a fifth since the last commit:

    python -m tests.benchmarks.figures

A quote is a number with a comment behind it that no reader of the page sees: `9.8<!--index.start-->`.
"""

import json
import os
import platform
import re
import subprocess
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

from tests.cli import ROOT

FILE = ROOT / "docs" / "figures.json"
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
WORSE = 1.2  # times the earlier figure
_QUOTE = re.compile(r"(?P<number>\d[\d,]*(?:\.\d+)?)<!--(?P<name>[a-z0-9_.]+)-->")

Figures = dict[str, dict[str, Any]]  # benchmark -> machine, commit, date, figures by name


@dataclass(frozen=True, slots=True)
class Figure:
    """A measured number. Less is better, unless it is a speed or a share of one."""

    value: float
    unit: str
    more_is_better: bool = False


def record_figures(benchmark: str, figures: dict[str, Figure]) -> None:
    """Add the figures of a benchmark to the file that FIGURES names; do nothing without FIGURES.

    A run with other sizes than those of `make bench` thus changes no figure.
    """
    if "FIGURES" not in os.environ:
        return
    path = Path(os.environ["FIGURES"])
    known: Figures = json.loads(path.read_text()) if path.exists() else {}
    known[benchmark] = {
        "machine": f"{processor()}, {os.cpu_count()} cores",
        "commit": _git("rev-parse", "--short", "HEAD"),
        "date": date.today().isoformat(),
        "figures": {name: asdict(figure) for name, figure in figures.items()},
    }
    path.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n")


def processor() -> str:
    """Return the name of the processor."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def read_figures(text: str) -> dict[str, Figure]:
    """Return the figures by `benchmark.name`, from the text of the file."""
    return {
        f"{benchmark}.{name}": Figure(**figure)
        for benchmark, entry in json.loads(text).items()
        for name, figure in entry["figures"].items()
    }


def find_quotes(page: str) -> Iterator[tuple[str, str]]:
    """Yield the number and the name of each quote of a page."""
    for match in _QUOTE.finditer(page):
        yield match["number"], match["name"]


def write_quotes(page: str, figures: dict[str, Figure]) -> str:
    """Return the page with the numbers of `figures`, with as many decimals as before.

    Raises KeyError if a quoted figure is not in the file.
    """
    return _QUOTE.sub(
        lambda quote: f"{format_like(quote['number'], figures[quote['name']])}<!--{quote['name']}-->", page
    )


def format_like(number: str, figure: Figure) -> str:
    """Return the figure with the decimals of `number`."""
    decimals = len(number.partition(".")[2])
    return f"{figure.value:,.{decimals}f}"


def find_worse(before: dict[str, Figure], now: dict[str, Figure]) -> list[str]:
    """Return a line for each figure that got worse by more than a fifth."""
    lines = []
    for name in sorted(before.keys() & now.keys()):
        old, new = before[name], now[name]
        pair = (old.value, new.value) if new.more_is_better else (new.value, old.value)
        if pair[0] > WORSE * pair[1]:
            lines.append(f"{name}: {old.value:,.4g} -> {new.value:,.4g} {new.unit}")
    return lines


def main() -> None:
    """Update the quotes; print what got worse since the commit."""
    now = read_figures(FILE.read_text())
    for page in PAGES:
        page.write_text(write_quotes(page.read_text(), now))
    committed = _git("show", f"HEAD:{FILE.relative_to(ROOT)}")
    worse = find_worse(read_figures(committed or "{}"), now)
    print(f"{len(now)} figures in {FILE.relative_to(ROOT)}; README and docs quote them")
    print("\n".join(["worse by more than a fifth:", *worse]) if worse else "none is worse by more than a fifth")


def _git(*arguments: str) -> str:
    """Return what git prints; nothing outside of a checkout."""
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()


if __name__ == "__main__":
    main()
