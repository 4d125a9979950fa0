"""The scripts, the style and the icons of the pages."""

from pathlib import Path
from typing import Any

from starlette.responses import Response
from starlette.staticfiles import StaticFiles

FOLDER = Path(__file__).parent / "static"
REVALIDATED = {"Cache-Control": "no-cache"}  # a browser asks each time, and gets a 304: an upgrade counts at once


class RevalidatedFiles(StaticFiles):
    """Files that no browser takes from its cache unasked."""

    def file_response(self, *arguments: Any, **options: Any) -> Response:
        response = super().file_response(*arguments, **options)
        response.headers.update(REVALIDATED)
        return response
