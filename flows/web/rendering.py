"""Templates of the pages, and what they are filled with."""

from pathlib import Path
from typing import Any

from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, select_autoescape

from flows.evaluation.figures import coverage_text, figure_text
from flows.releases.gate.table import check_row
from flows.web.page_filters import FILTERS

FOLDER = Path(__file__).parent
_TEMPLATES = Environment(
    loader=FileSystemLoader(FOLDER / "templates"),
    autoescape=select_autoescape(default=True),
    trim_blocks=True,
    lstrip_blocks=True,
)
_TEMPLATES.filters |= FILTERS | {
    "figure": figure_text,
    "coverage": coverage_text,
    "check_row": check_row,
    "metrics": lambda rows: list(dict.fromkeys(metric for row in rows for metric in row.figures)),
}


def render_page(template: str, section: str, **values: Any) -> HTMLResponse:
    """Return a page. `section` is the address of its entry in the menu."""
    return HTMLResponse(_TEMPLATES.get_template(template).render(section=section, **values))
