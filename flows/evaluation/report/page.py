"""`tonelake report`: one HTML page that needs no other file.

The pictures are in the page, and as PNGs beside it.
"""

from importlib.metadata import version
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from flows.console.progress import with_progress
from flows.evaluation.figures import LeaderboardRow, coverage_text, dropped_text, figure_text
from flows.evaluation.leaderboard import build_leaderboard
from flows.evaluation.report.sections import SectionBuilder
from lake.benchmarks.registry import BENCHMARKS
from lake.storage.lake import Lake
from schemas import clock
from schemas.errors import UserError
from schemas.settings import Settings


def write_report(settings: Settings, out: Path, only: tuple[str, ...] = ()) -> Path:
    """Write index.html and its pictures into `out`, over an earlier report; return the page's path.

    `only` names the benchmarks to show; empty: all. Raises UserError if the lake has no evaluation of them.
    """
    rows = [row for row in build_leaderboard(settings) if not only or row.benchmark in only]
    if not rows:
        raise UserError(f"{settings.lake} holds no evaluation of {', '.join(only)}; `tonelake leaderboard` lists them")
    out = out.expanduser().absolute()
    out.mkdir(parents=True, exist_ok=True)
    lake = Lake.at(settings.lake, settings.s3)
    rows_by_benchmark: dict[str, list[LeaderboardRow]] = {}
    for row in rows:
        rows_by_benchmark.setdefault(row.benchmark, []).append(row)
    sections = [
        SectionBuilder(lake, settings, out, name, group).build()
        for name, group in with_progress(rows_by_benchmark.items(), "drawing the report", len(rows_by_benchmark))
    ]
    page = out / "index.html"
    text = _template().render(
        sections=sections,
        declared=BENCHMARKS,
        lake=settings.lake,
        at=clock.now().strftime("%Y-%m-%d %H:%M UTC"),
        version=version("tonelake"),
    )
    page.write_text(text, encoding="utf-8")
    return page


def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("flows.evaluation.report", "."), autoescape=True, undefined=StrictUndefined
    )
    environment.filters |= {"figure": figure_text, "coverage": coverage_text, "dropped": dropped_text}
    return environment.get_template("page.html")
