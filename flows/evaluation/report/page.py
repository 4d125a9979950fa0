"""`tonelake report`: one page that needs no other file, with the same pictures as PNGs beside it."""

from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from flows.console.progress import track
from flows.evaluation.leaderboard import Row, coverage_text, figure_text, leaderboard
from flows.evaluation.report.sections import SectionBuilder
from lake.benchmarks.registry import BENCHMARKS
from lake.storage.lake import Lake
from schemas.errors import UserError
from schemas.settings import Settings


def write_report(settings: Settings, out: Path, only: tuple[str, ...] = ()) -> Path:
    """Writes index.html and its pictures into `out`, over those of an earlier report; returns the page's path."""
    rows = [row for row in leaderboard(settings) if not only or row["benchmark"] in only]
    if not rows:
        raise UserError(f"{settings.lake} holds no evaluation of {', '.join(only)}; `tonelake leaderboard` lists them")
    out = out.expanduser().absolute()
    out.mkdir(parents=True, exist_ok=True)
    lake = Lake.at(settings.lake, settings.s3)
    by_name: dict[str, list[Row]] = {}
    for row in rows:
        by_name.setdefault(row["benchmark"], []).append(row)
    sections = [
        SectionBuilder(lake, settings, out, name, mine).build()
        for name, mine in track(by_name.items(), "drawing the report", len(by_name))
    ]
    page = out / "index.html"
    text = _template().render(
        sections=sections,
        declared=BENCHMARKS,
        lake=settings.lake,
        at=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        version=version("tonelake"),
    )
    page.write_text(text, encoding="utf-8")
    return page


def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("flows.evaluation.report", "."), autoescape=True, undefined=StrictUndefined
    )
    environment.filters |= {"figure": figure_text, "coverage": coverage_text}
    return environment.get_template("page.html")
