"""The pages, for people: templates around what the API answers. Search and playlists are drawn by the browser."""

from fastapi import APIRouter
from fastapi.responses import FileResponse, HTMLResponse

from flows.web import lake_pages, track_page
from flows.web.dependencies import SettingsOf
from flows.web.rendering import FOLDER, render_page
from flows.web.static_files import REVALIDATED
from flows.web.vendor.renew import vendored_files
from lake.catalogue.encoders import list_encoder_versions
from lake.storage.lake import Lake
from schemas.errors import NotFound

router = APIRouter(include_in_schema=False)
router.include_router(lake_pages.router)
router.include_router(track_page.router)


@router.get("/")
def show_search(settings: SettingsOf) -> HTMLResponse:
    """Show the search page."""
    return render_page("search.html", "/", encoders=list_encoder_versions(Lake.at(settings.lake, settings.s3)))


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
    return FileResponse(FOLDER / "vendor" / name, media_type="text/javascript", headers=REVALIDATED)
