"""The pages, for people: templates around what the API answers. Search and playlists are drawn by the browser."""

from pathlib import Path
from typing import Any

from fastapi import APIRouter
from fastapi.responses import FileResponse, HTMLResponse
from jinja2 import Environment, FileSystemLoader, select_autoescape

from flows.evaluation.figures import coverage_text, figure_text
from flows.releases.gate.table import check_row
from flows.web.page_filters import FILTERS
from flows.web.problems import NotFound
from flows.web.vendor.renew import vendored_files

FOLDER = Path(__file__).parent
router = APIRouter(include_in_schema=False)
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


@router.get("/")
def show_search() -> HTMLResponse:
    """Show the search page."""
    return render_page("search.html", "/")


@router.get("/map")
def show_map() -> HTMLResponse:
    """Show the map of the catalogue."""
    return render_page("map.html", "/map")


@router.get("/playlist")
def show_playlist() -> HTMLResponse:
    """Show the tray, and playlists of words and paths."""
    return render_page("playlist.html", "/playlist")


@router.get("/static/vendor/{name}")
def send_vendored(name: str) -> FileResponse:
    """Send a file of a vendored library."""
    if name not in vendored_files():
        raise NotFound(f"there is no library file {name!r}")
    return FileResponse(FOLDER / "vendor" / name, media_type="text/javascript")
