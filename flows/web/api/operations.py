"""/api/v1/status and other reports on a lake."""

from typing import Any

from fastapi import APIRouter

from flows.operations.status import read_status
from flows.web.dependencies import SettingsOf

router = APIRouter(tags=["operations"])


@router.get("/status")
def status(settings: SettingsOf) -> Any:
    """Return the coverage of every encoder version, and the sizes of the tables."""
    return read_status(settings).to_json()
